"""What every host of the engine owes the job service; the same tests over the inline, the process and the Ray host."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Busy, StudioError
from studio.engine import presence
from studio.engine.job import NotFound, Numbered, State
from studio.engine.residency import Ledger
from studio.library.recipe import extract
from studio.services import Studio
from tests.studios import OWNER, endless_training, follow, only_host, open_in, small_training, wait_for, wait_state


@pytest.fixture(scope="module", params=["inline", "process", "process on postgresql", "ray"])
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    host, _, server = request.param.partition(" on ")
    changes: dict[str, str] = {}
    if server:
        changes["database"] = request.getfixturevalue(server).fresh()
    if host == "ray":
        host, changes["cluster"] = "process", request.getfixturevalue("one_gpu").address
    opened = open_in(tmp_path_factory.mktemp("studio"), host, **changes)
    yield opened
    opened.close()


def test_a_job_runs_to_its_end_and_what_it_made_is_in_the_library_and_on_disk(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training())
    events = follow(studio, job)
    assert studio.jobs.get(OWNER, job.id).state == "done"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {"progress", "metrics", "sample", "result", "state"} <= {event.kind for event in events}
    items = studio.library.of_job(OWNER, job.id)
    generator = next(item for item in items if item.name.endswith(".safetensors"))
    recipe = extract(studio.library.blobs.read(generator.digest))
    assert recipe is not None
    assert recipe["seed"] == 1
    assert recipe["settings"]["width"] == 4


def test_the_same_seed_makes_the_same_weights(studio: Studio) -> None:
    tensors = []
    for _ in range(2):
        job = studio.jobs.submit(OWNER, "training", small_training(steps=8))
        follow(studio, job)
        item = next(one for one in studio.library.of_job(OWNER, job.id) if one.name.endswith(".safetensors"))
        from safetensors.numpy import load

        tensors.append(load(studio.library.blobs.read(item.digest)))
    assert all((tensors[0][name] == tensors[1][name]).all() for name in tensors[0])


def test_two_followers_see_the_same_and_one_can_begin_in_the_middle(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training())
    first = follow(studio, job)
    assert follow(studio, job) == first
    assert follow(studio, job, after=first[2].seq) == first[3:]


def test_a_cancel_ends_only_the_job_it_names(studio: Studio) -> None:
    stopped, other = (studio.jobs.submit(OWNER, "training", endless_training(seed=seed)) for seed in (1, 2))
    for job in (stopped, other):
        follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.cancel(OWNER, stopped.id)
    wait_state(studio, stopped, "cancelled")
    assert studio.jobs.get(OWNER, other.id).state == "running"
    studio.jobs.cancel(OWNER, other.id)
    wait_state(studio, other, "cancelled")


def test_a_finish_keeps_what_is_there(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.finish(OWNER, job.id)
    assert wait_state(studio, job, "done").facts["steps"] > 0
    assert any(item.name.endswith(".safetensors") for item in studio.library.of_job(OWNER, job.id))


def test_a_paused_job_stands_still_and_goes_on_when_resumed(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.pause(OWNER, job.id)
    wait_state(studio, job, "paused")
    still = studio.jobs.events(OWNER, job.id)[-1].seq
    wait_for(lambda: studio.jobs.status().running and studio.jobs.status().running[0].state == "paused")
    assert studio.jobs.events(OWNER, job.id)[-1].seq == still
    studio.jobs.resume(OWNER, job.id)
    follow(studio, job, after=still, stop=lambda event: event.kind == "metrics")
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")


def marks(events: list[Numbered]) -> list[str]:
    return [event.data["text"] for event in events if event.kind == "mark"]


def test_a_training_is_steered_while_it_runs_and_while_it_is_paused(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.steer(OWNER, job.id, {"learning_rate": 0.0005})
    events = follow(studio, job, stop=lambda event: event.kind == "mark")
    assert marks(events) == ["learning rate 0.001 → 0.0005"]
    studio.jobs.pause(OWNER, job.id)
    wait_state(studio, job, "paused")
    before = studio.jobs.events(OWNER, job.id)[-1].seq
    studio.jobs.steer(OWNER, job.id, {"only": "d"})
    follow(studio, job, after=before, stop=lambda event: event.kind == "sample")
    wait_for(lambda: studio.jobs.status().running[0].state == "paused")
    told = studio.jobs.events(OWNER, job.id, before)
    assert [event.kind for event in told if event.kind != "metrics"] == ["mark", "steered", "sample"]
    assert marks(told) == ["one step of D alone"]
    assert studio.jobs.get(OWNER, job.id).state == "paused"
    studio.jobs.resume(OWNER, job.id)
    follow(studio, job, after=told[-1].seq, stop=lambda event: event.kind == "metrics")
    assert studio.jobs.get(OWNER, job.id).state == "running"
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")


def test_what_is_said_in_quick_succession_is_heard_in_that_order(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training(gamma=1))
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    for gamma in range(2, 32):
        studio.jobs.steer(OWNER, job.id, {"gamma": gamma})
    events = follow(studio, job, stop=lambda event: event.kind == "mark" and "→ 31" in str(event.data))
    heard = [float(value) for mark in marks(events) for value in mark.removeprefix("penalty weight ").split(" → ")]
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (1, 31)
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")


def test_a_training_goes_back_to_a_snapshot_and_another_branches_from_it(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.steer(OWNER, job.id, {"gamma": 2})
    follow(studio, job, stop=lambda event: event.kind == "mark")
    step = studio.jobs.snapshots(OWNER, job.id)[-1].step
    assert step > 0
    studio.jobs.steer(OWNER, job.id, {"rewind": 0})
    follow(studio, job, stop=lambda event: event.kind == "mark" and event.data["key"] == "rewound")
    branch = studio.jobs.branch(OWNER, job.id, 0, {"steps": 4, "learning_rate": 0.002})
    events = follow(studio, branch)
    assert marks(events) == ["branched at step 0"]
    assert branch.request["parent"] == job.id
    assert studio.jobs.get(OWNER, branch.id).facts["steps"] == 4
    studio.jobs.finish(OWNER, job.id)
    wait_state(studio, job, "done")
    ended = studio.jobs.snapshots(OWNER, job.id)[-1].step
    with pytest.raises(StudioError, match=f"has {ended} steps of training in it already"):
        studio.jobs.branch(OWNER, job.id, ended, {"steps": 1})
    longer = studio.jobs.branch(OWNER, job.id, ended, {"steps": ended + 3})
    follow(studio, longer)
    assert studio.jobs.get(OWNER, longer.id).facts["steps"] == ended + 3


def test_what_cannot_be_steered_says_so(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training(steps=1))
    follow(studio, job)
    with pytest.raises(StudioError, match="this one is done"):
        studio.jobs.steer(OWNER, job.id, {"gamma": 2})
    with pytest.raises(StudioError, match=r"at most 100\.0; you gave 200"):
        studio.jobs.steer(OWNER, job.id, {"gamma": 200})
    with pytest.raises(StudioError, match="no snapshot of step 99; there are those of 0"):
        studio.jobs.steer(OWNER, job.id, {"rewind": 99})
    with pytest.raises(StudioError, match="with width 4, and what goes on from it cannot have 8"):
        studio.jobs.branch(OWNER, job.id, 0, {"width": 8, "steps": 9})
    photo = studio.library.keep_upload(OWNER, b"this is no generator")
    other = studio.jobs.submit(OWNER, "sample", {"generator": photo})
    wait_state(studio, other, "failed")
    with pytest.raises(StudioError, match="Only the training of a GAN or a VAE"):
        studio.jobs.steer(OWNER, other.id, {"gamma": 2})


def test_an_interactive_job_is_served_while_a_training_runs(studio: Studio) -> None:
    made = studio.jobs.submit(OWNER, "training", small_training())
    follow(studio, made)
    generator = next(one for one in studio.library.of_job(OWNER, made.id) if one.name.endswith(".safetensors"))
    training = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, training, stop=lambda event: event.kind == "metrics")
    asked = studio.jobs.submit(OWNER, "sample", {"generator": generator.digest, "count": 4, "seed": 3})
    assert wait_state(studio, asked, "done", seconds=20).state == "done"
    assert studio.jobs.get(OWNER, training.id).state == "running"
    studio.jobs.cancel(OWNER, training.id)
    wait_state(studio, training, "cancelled")


def test_a_job_that_fails_says_why_in_a_sentence_and_the_next_one_runs(studio: Studio) -> None:
    blob = studio.library.keep_upload(OWNER, b"this is no generator")
    broken = studio.jobs.submit(OWNER, "sample", {"generator": blob})
    failed = wait_state(studio, broken, "failed")
    assert failed.error is not None
    assert failed.error.key != "bug", failed.error
    follow(studio, studio.jobs.submit(OWNER, "training", small_training(steps=3)))


def test_a_fresh_seed_is_a_number_before_the_job_runs(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training(steps=1, seed=-1))
    assert job.seed >= 0
    assert job.request["seed"] == job.seed
    follow(studio, job)


def test_device_seconds_are_counted_for_each_job(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training())
    follow(studio, job)
    ended = studio.jobs.get(OWNER, job.id)
    assert ended.started is not None
    assert ended.ended is not None
    assert 0 < ended.device_seconds <= ended.ended - ended.created + 0.1


def test_somebody_elses_job_is_not_there(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training(steps=1))
    follow(studio, job)
    for look in (studio.jobs.get, studio.jobs.cancel, studio.jobs.pause, studio.jobs.resume, studio.jobs.events):
        with pytest.raises(NotFound):
            look("bob", job.id)
    with pytest.raises(NotFound):
        studio.jobs.steer("bob", job.id, {"gamma": 2})
    with pytest.raises(NotFound):
        studio.jobs.branch("bob", job.id, 0, {})
    with pytest.raises(NotFound):
        studio.jobs.snapshots("bob", job.id)
    assert studio.jobs.list("bob") == []


def test_what_cannot_be_paused_or_resumed_says_so(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training(steps=1))
    follow(studio, job)
    with pytest.raises(StudioError, match="this one is done"):
        studio.jobs.pause(OWNER, job.id)
    with pytest.raises(StudioError, match="this one is done"):
        studio.jobs.resume(OWNER, job.id)


def test_too_many_waiting_jobs_are_refused_with_the_limit(tmp_path: Path) -> None:
    small = open_in(tmp_path, running=1, waiting_each=2)
    jobs = [small.jobs.submit(OWNER, "training", endless_training()) for _ in range(3)]
    wait_for(lambda: small.jobs.status().queued == 2)
    with pytest.raises(Busy, match="2 jobs waiting"):
        small.jobs.submit(OWNER, "training", endless_training())
    assert small.jobs.place(OWNER, jobs[2].id).position == 2  # type: ignore[union-attr]
    for job in jobs:
        small.jobs.cancel(OWNER, job.id)
    for job in jobs:
        wait_state(small, job, "cancelled")
    small.close()


def test_a_job_that_ends_with_its_page_goes_on_while_followed_and_ends_once_nobody_looks(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "PATIENCE", 2)
    monkeypatch.setattr(presence, "LOOKED", 2)
    kept = studio.jobs.submit(OWNER, "training", endless_training(seed=1))
    left = studio.jobs.submit(OWNER, "training", endless_training(seed=2), ends_with_page=True)
    assert left.json()["ends_with_page"]
    follow(studio, left, stop=lambda event: event.kind == "sample")
    wait_for(lambda: studio.jobs.list(OWNER, limit=1)[0].state == "done")  # what it has learned is kept
    assert studio.library.of_job(OWNER, left.id)
    assert studio.jobs.get(OWNER, kept.id).state in ("queued", "running")
    studio.jobs.end_with_page(OWNER, kept.id, True)
    studio.jobs.end_with_page(OWNER, kept.id, False)
    with pytest.raises(NotFound):
        studio.jobs.end_with_page("bob", kept.id, True)
    time.sleep(2.3)
    assert studio.jobs.get(OWNER, kept.id).state in ("queued", "running")
    studio.jobs.end_with_page(OWNER, kept.id, True)
    wait_for(lambda: studio.jobs.list(OWNER, ("training",), ("running", "queued", "paused")) == [])


def test_a_drained_engine_takes_nothing_new_and_lets_what_runs_end(studio: Studio) -> None:
    running = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, running, stop=lambda event: event.kind == "metrics")
    studio.jobs.drain(True)
    with pytest.raises(Busy, match="about to be serviced"):
        studio.jobs.submit(OWNER, "training", small_training())
    assert studio.jobs.status().draining
    assert studio.jobs.get(OWNER, running.id).state == "running"
    studio.jobs.finish(OWNER, running.id)
    wait_state(studio, running, "done")
    studio.jobs.drain(False)
    follow(studio, studio.jobs.submit(OWNER, "training", small_training(steps=2)))


def test_a_training_told_to_finish_while_it_waits_to_go_on_keeps_what_it_had_learned(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    (device,) = (one.name for one in studio.jobs.status().devices)
    studio.jobs.drain_device(device, True)
    studio.jobs.stop(job.id)
    wait_state(studio, job, "interrupted")
    studio.jobs.resume(OWNER, job.id)
    assert studio.jobs.finish(OWNER, job.id).state == "queued"
    studio.jobs.drain_device(device, False)
    assert wait_state(studio, job, "done").facts["steps"] > 0
    assert any(item.name.endswith(".safetensors") for item in studio.library.of_job(OWNER, job.id))


def test_a_job_an_administrator_stops_says_so_and_can_be_resumed(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "sample")
    studio.jobs.stop(job.id)
    stopped = wait_state(studio, job, "interrupted")
    assert stopped.error is not None
    assert stopped.error.key == "job.stopped"
    with pytest.raises(NotFound):
        studio.jobs.stop(job.id)
    last = studio.jobs.events(OWNER, job.id)[-1].seq
    studio.jobs.resume(OWNER, job.id)
    follow(studio, job, after=last, stop=lambda event: event.kind == "metrics")
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")


def test_a_job_that_is_seen_to_have_been_interrupted_can_be_resumed_at_that_very_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_in(tmp_path)
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "sample")
    rows = studio.jobs._dispatch._rows  # type: ignore[union-attr]
    real, resuming = rows.move, threading.Thread(target=studio.jobs.resume, args=(OWNER, job.id))

    def move(job_id: str, state: State, *more: Any, **values: Any) -> bool:
        moved = real(job_id, state, *more, **values)
        if moved and state == "interrupted":
            resuming.start()
            resuming.join(0.3)  # as far as it comes before the rest is done
        return moved

    monkeypatch.setattr(rows, "move", move)
    studio.jobs.stop(job.id)
    wait_for(lambda: studio.jobs.get(OWNER, job.id).attempt == 2)
    wait_state(studio, job, "running")
    resuming.join()
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")
    studio.close()


def test_seconds_are_counted_by_person_and_model_and_towards_the_day(studio: Studio) -> None:
    job = studio.jobs.submit("frugal", "training", small_training(steps=5))
    follow(studio, job)
    used = studio.jobs.get("frugal", job.id).device_seconds
    # for a moment the job has ended and is still counted as one that runs
    wait_for(lambda: sum(s for owner, _, s in studio.jobs.spent(0) if owner == "frugal") == pytest.approx(used))
    wait_for(lambda: studio.jobs._dispatch.usage.day("frugal") == pytest.approx(used))


def test_what_was_drained_stays_so_after_a_restart_and_the_queue_runs_once_it_is_over(tmp_path: Path) -> None:
    first = open_in(tmp_path, running=1)
    running, queued = (first.jobs.submit(OWNER, "training", small_training(steps=n)) for n in (1_000_000, 2))
    follow(first, running, stop=lambda event: event.kind == "metrics")
    first.jobs.drain(True)
    first.close()
    second = open_in(tmp_path, running=1)
    assert second.jobs.get(OWNER, running.id).state == "interrupted"
    assert second.jobs.get(OWNER, queued.id).state == "queued"
    assert second.jobs._dispatch.usage.day(OWNER) > 0, "what was used before is known"
    second.jobs.drain(False)
    wait_state(second, queued, "done")
    second.close()


@pytest.mark.parametrize("engine", ["inline", "process"])
def test_a_training_is_saved_at_the_very_step_at_which_its_studio_is_closed(tmp_path: Path, engine: str) -> None:
    studio = open_in(tmp_path, engine)
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.close()
    studio = open_in(tmp_path, engine)
    assert studio.jobs.get(OWNER, job.id).state == "interrupted"
    before = studio.jobs.events(OWNER, job.id)
    last = max(step for event in before if event.kind == "metrics" for step in event.data["steps"])
    studio.jobs.resume(OWNER, job.id)
    events = follow(studio, job, after=before[-1].seq, stop=lambda event: event.kind == "mark")
    assert events[-1].data["text"] == f"resumed at step {last}"
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")
    studio.close()


def test_the_device_is_free_before_what_a_stopped_job_held_is_swept_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_in(tmp_path)
    holders: list[str | None] = []
    lease = only_host(studio)._engine._lease
    monkeypatch.setattr(Ledger, "collect", lambda _ledger: holders.append(lease.holder))
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")
    studio.close()
    assert holders
    assert set(holders) == {None}
