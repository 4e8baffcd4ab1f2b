"""A web process is upgraded while a training goes on in a detached actor, which is still of the older code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from studio.engine import version
from studio.engine.job import Job
from studio.services import Studio
from studio.settings import ROOT
from tests import ray_cluster
from tests.ray_cluster import RayCluster, actor_processes
from tests.studios import OWNER, follow, open_in, wait_for, wait_state

pytest.importorskip("ray", reason="Ray is not installed")

#: what the older studio does, in a process and a tree of its own
BEGIN = """
import sys
from pathlib import Path
from tests.studios import OWNER, endless_training, follow, open_in, wait_state

studio = open_in(Path(sys.argv[1]), cluster=sys.argv[2])
job = studio.jobs.submit(OWNER, "training", endless_training())
follow(studio, job, stop=lambda event: event.kind == "metrics")
studio.jobs.pause(OWNER, job.id)  # which saves it
wait_state(studio, job, "paused")
studio.jobs.resume(OWNER, job.id)
wait_state(studio, job, "running")
studio.close()
"""


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    with ray_cluster.running(gpus=1) as running:
        yield running


def older(folder: Path, protocol: int) -> Path:
    """This studio as it was: its engine's code differs, and it may speak another protocol."""
    for part in ("pipelines", "studio", "tests", "deploy"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "assets").symlink_to(ROOT / "assets")
    said = folder / "studio" / "engine" / "version.py"
    now = f"PROTOCOL = {version.PROTOCOL}\n"
    assert now in said.read_text()
    said.write_text(said.read_text().replace(now, f"PROTOCOL = {protocol}  # as it was\n"))
    return folder


def begun(folder: Path, data: Path, cluster: RayCluster) -> None:
    """A training that the older studio began before it was closed."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", BEGIN, str(data), cluster.address]
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=180)


def only_job(studio: Studio) -> Job:
    (job,) = studio.jobs.list(OWNER)
    return job


def test_a_training_ends_in_the_older_engine_which_is_replaced_once_it_is_empty(
    cluster: RayCluster, tmp_path: Path
) -> None:
    begun(older(tmp_path / "older", version.PROTOCOL), tmp_path / "data", cluster)
    before = actor_processes()
    with closing(open_in(tmp_path / "data", cluster=cluster.address)) as studio:
        job = only_job(studio)
        after = studio.jobs.events(OWNER, job.id)[-1].seq
        follow(studio, job, after=after, stop=lambda event: event.kind == "metrics")
        assert actor_processes() == before
        studio.jobs.finish(OWNER, job.id)
        assert wait_state(studio, job, "done").attempt == 1
        wait_for(lambda: (now := actor_processes()) and now != before, 60)
        wait_for(lambda: studio.jobs.status().worker == "ready", 60)
        (device,) = studio.jobs._dispatch._fleet  # type: ignore[union-attr]
        wait_for(lambda: device.takes and not device.outdated, 60)


def test_a_training_in_an_engine_that_is_not_understood_goes_on_in_a_new_one_and_says_why(
    cluster: RayCluster, tmp_path: Path
) -> None:
    begun(older(tmp_path / "older", version.PROTOCOL - 1), tmp_path / "data", cluster)
    with closing(open_in(tmp_path / "data", cluster=cluster.address)) as studio:
        job = only_job(studio)
        assert wait_state(studio, job, "running").attempt == 2
        events = studio.jobs.events(OWNER, job.id)
        errors = [event.data["error"]["key"] for event in events if event.data.get("error")]
        assert errors == ["job.upgraded_again"]
        after = events[-1].seq
        follow(studio, job, after=after, stop=lambda event: event.kind == "metrics")
        marks = [event.data["text"] for event in studio.jobs.events(OWNER, job.id) if event.kind == "mark"]
        assert marks[-1].startswith("resumed at step")
        studio.jobs.cancel(OWNER, job.id)
        wait_state(studio, job, "cancelled")
