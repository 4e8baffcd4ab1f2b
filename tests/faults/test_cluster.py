"""A studio on a Ray cluster whose actors and machines die, come and go: nothing ends twice, trainings go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.errors import StudioError
from studio.engine.job import Job
from studio.services import Studio, open_studio
from tests import ray_cluster
from tests.postgres import LOCKED, PostgreSQL, cut
from tests.ray_cluster import RayCluster, actor_processes, kill
from tests.studios import OWNER, endless_training, follow, open_in, settings, wait_for, wait_state

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster.running(gpus=1) as running:
        yield running


@pytest.fixture
def begin(cluster: RayCluster, tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Opens a studio on the cluster, as often as wanted; whatever becomes of the test, none is left."""
    opened: list[Studio] = []

    def begin(wait: bool = True) -> Studio:
        studio = open_studio(settings(tmp_path, cluster=cluster.address))
        opened.append(studio)
        studio.start()
        if wait:
            wait_for(lambda: studio.jobs.status().worker == "ready", 60)
        return studio

    yield begin
    opened[-1].close()
    cluster.end_actors()


@pytest.fixture
def studio(begin: Callable[..., Studio]) -> Studio:
    return begin()


def training(studio: Studio) -> Job:
    """One that has begun."""
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    return job


def steps(studio: Studio, job: Job) -> list[int]:
    return [
        step for event in studio.jobs.events(OWNER, job.id) if event.kind == "metrics" for step in event.data["steps"]
    ]


def marks(studio: Studio, job: Job) -> list[str]:
    return [event.data["text"] for event in studio.jobs.events(OWNER, job.id) if event.kind == "mark"]


def last(studio: Studio, job: Job) -> int:
    return studio.jobs.events(OWNER, job.id)[-1].seq


def ready(studio: Studio) -> list[Any]:
    return [device for device in studio.jobs.status().devices if device.device]


def test_a_training_goes_on_untouched_while_the_studio_is_restarted(begin: Callable[..., Studio]) -> None:
    studio = begin()
    job = training(studio)
    process = actor_processes()
    before = max(steps(studio, job))
    studio.close()
    studio = begin()
    assert studio.jobs.get(OWNER, job.id).state == "running"
    follow(studio, job, after=last(studio, job), stop=lambda event: event.kind == "metrics")
    assert actor_processes() == process
    seen = steps(studio, job)
    assert seen == sorted(set(seen)), "some steps were missed, or heard twice"
    assert max(seen) > before
    assert marks(studio, job) == []
    studio.jobs.finish(OWNER, job.id)
    assert wait_state(studio, job, "done").attempt == 1
    assert len(studio.library.of_job(OWNER, job.id)) > 0


def test_a_killed_actor_is_started_again_and_its_training_goes_on_from_where_it_was_saved(studio: Studio) -> None:
    job = training(studio)
    studio.jobs.pause(OWNER, job.id)  # which saves it
    wait_state(studio, job, "paused")
    studio.jobs.resume(OWNER, job.id)
    wait_state(studio, job, "running")
    for pid in actor_processes():
        kill(pid)
    follow(studio, job, after=last(studio, job), stop=lambda event: event.kind == "mark")
    assert marks(studio, job)[-1].startswith("resumed at step")
    assert wait_state(studio, job, "running").attempt == 2
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")


def test_whoever_begins_to_lead_does_not_wait_for_an_engine_that_is_being_started_again(
    begin: Callable[..., Studio],
) -> None:
    studio = begin()
    job = training(studio)
    studio.close()
    for pid in actor_processes():
        kill(pid)
    wait_for(lambda: not actor_processes(), 30)
    studio = begin(wait=False)
    assert [device.worker for device in studio.jobs.status().devices] == ["starting"]
    assert studio.jobs.get(OWNER, job.id).state != "running"
    wait_for(lambda: len(ready(studio)) == 1, 60)


def test_a_process_that_lost_the_lead_and_has_it_again_finds_the_devices_and_what_runs_there(
    cluster: RayCluster, tmp_path: Path, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = {"database": postgresql.fresh(), "cluster": cluster.address}
    with closing(open_in(tmp_path, **database)) as first, closing(open_in(tmp_path, **database)) as second:
        job = training(second)
        process = actor_processes()
        for leads, follows in ((first, second), (second, first)):
            assert leads.jobs.leads
            with monkeypatch.context() as away:  # for longer than it may be to take the lead back
                away.setattr(leads.jobs._floor._leading, "_stand", lambda _lock: time.sleep(0.05))
                cut(database["database"], LOCKED)
                wait_for(lambda follows=follows: follows.jobs.leads, 30)
            wait_for(lambda leads=leads: not leads.jobs.leads, 30)
            follow(leads, job, after=last(leads, job), stop=lambda event: event.kind == "metrics")
            wait_for(lambda follows=follows: len(ready(follows)) == 1, 60)
        assert first.jobs.leads
        assert actor_processes() == process
        seen = steps(first, job)
        assert seen == sorted(set(seen)), "some steps were missed, or heard twice"
        first.jobs.cancel(OWNER, job.id)
        wait_state(second, job, "cancelled")
        assert second.jobs.get(OWNER, job.id).attempt == 1
    cluster.end_actors()  # once nobody listens who would start them again


def test_who_follows_a_job_is_told_that_its_machine_is_silent_and_that_it_is_heard_again(
    cluster: RayCluster, tmp_path: Path, postgresql: PostgreSQL
) -> None:
    with closing(open_in(tmp_path, database=postgresql.fresh(), cluster=cluster.address)) as studio:
        job = training(studio)
        engine = psutil.Process(actor_processes()[0])
        engine.suspend()
        follow(studio, job, last(studio, job), stop=lambda event: event.data.get("stage") == "unheard")
        engine.resume()
        follow(studio, job, last(studio, job), stop=lambda event: event.data.get("stage") not in (None, "unheard"))
        follow(studio, job, last(studio, job), stop=lambda event: event.kind == "metrics")
        studio.jobs.cancel(OWNER, job.id)
        assert wait_state(studio, job, "cancelled").attempt == 1
        cluster.end_actors()


def test_a_machine_that_comes_is_used_and_when_it_dies_its_training_moves(cluster: RayCluster, studio: Studio) -> None:
    wait_for(lambda: len(ready(studio)) == 1, 60)
    (first,) = ready(studio)
    node = cluster.add(gpus=1)
    wait_for(lambda: len(ready(studio)) == 2, 60)
    studio.jobs.drain_device(first.name, True)
    job = training(studio)
    assert studio.jobs.status().running[0].device != first.name
    studio.jobs.drain_device(first.name, False)
    cluster.remove(node)
    wait_for(lambda: len(studio.jobs.status().devices) == 1, 60)
    wait_for(lambda: any(one.device == first.name for one in studio.jobs.status().running), 60)
    follow(studio, job, after=last(studio, job), stop=lambda event: event.kind == "metrics")
    assert studio.jobs.get(OWNER, job.id).attempt == 2
    studio.jobs.finish(OWNER, job.id)
    wait_state(studio, job, "done")


def test_an_address_at_which_nobody_answers_is_said_at_the_start(tmp_path: Path) -> None:
    from studio.engine.hosts.address import check_there

    with pytest.raises(StudioError, match=r"No Ray cluster answers at --cluster 127\.0\.0\.1:1 "):
        check_there("127.0.0.1:1")
    with pytest.raises(StudioError, match="No Ray cluster answers at --cluster nonsense"):
        check_there("nonsense")
    with pytest.raises(StudioError, match="--cluster needs --database"):
        settings(tmp_path, cluster="auto").check_reach()
