"""The head of the Ray cluster goes away for longer than Ray is patient, and another one is begun where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.services import Studio
from tests import ray_cluster
from tests.ray_cluster import RayCluster, kill
from tests.studios import OWNER, endless_training, follow, open_in, small_training, wait_for, wait_state

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:
    """Its machines, and whoever is connected, end three seconds after their head."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    with ray_cluster.running(gpus=1) as running:
        yield running


@pytest.fixture
def studio(cluster: RayCluster, tmp_path: Path) -> Iterator[Studio]:
    opened = open_in(tmp_path, cluster=cluster.address)
    yield opened
    opened.close()


def pid(studio: Studio) -> int | None:
    """Of the process that is connected to Ray for the studio."""
    found: int | None = studio.hosts.pid  # type: ignore[attr-defined]
    return found


def test_what_waits_and_what_ran_goes_on_once_another_head_is_there(
    cluster: RayCluster, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.engine.hosts.cluster.GRACE_SECONDS", 2.0)
    running = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, running, stop=lambda event: event.kind == "metrics")
    done = studio.jobs.submit(OWNER, "training", small_training())
    wait_state(studio, done, "done")
    connected = pid(studio)
    cluster.end_head()
    wait_for(lambda: studio.jobs.status().notice == "away", 30)
    waiting = studio.jobs.submit(OWNER, "training", small_training(seed=2))
    wait_for(lambda: not studio.jobs.status().devices, 60)
    assert pid(studio) != connected
    assert studio.jobs.status().notice == "away"
    assert studio.jobs.get(OWNER, waiting.id).state == "queued"
    assert studio.jobs.get(OWNER, running.id).state == "queued"
    assert studio.library.of_job(OWNER, done.id)
    cluster.begin_head(gpus=1)
    wait_state(studio, waiting, "done")
    wait_state(studio, running, "running")
    assert studio.jobs.status().notice == ""
    assert studio.jobs.get(OWNER, running.id).attempt == 2
    studio.jobs.cancel(OWNER, running.id)
    wait_state(studio, running, "cancelled")


def test_whoever_is_connected_may_die_and_what_runs_goes_on_untouched(studio: Studio) -> None:
    running = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, running, stop=lambda event: event.kind == "metrics")
    first = pid(studio)
    assert first
    kill(first)
    wait_for(lambda: studio.jobs.status().notice == "away", 30)
    given = studio.jobs.submit(OWNER, "training", small_training())
    wait_for(lambda: studio.jobs.status().notice == "", 60)
    assert pid(studio) != first
    wait_state(studio, given, "done")
    after = studio.jobs.events(OWNER, running.id)[-1].seq
    follow(studio, running, after=after, stop=lambda event: event.kind == "metrics")
    told = studio.jobs.events(OWNER, running.id)
    steps = [step for event in told if event.kind == "metrics" for step in event.data["steps"]]
    assert steps == sorted(set(steps)), "some steps were missed, or heard twice"
    assert studio.jobs.get(OWNER, running.id).attempt == 1
    studio.jobs.finish(OWNER, running.id)
    wait_state(studio, running, "done")
