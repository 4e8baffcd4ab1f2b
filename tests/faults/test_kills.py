"""kill -9 of the worker and of the whole studio: what is lost (nothing finished) and what can go on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.engine.job import Job, Numbered
from studio.services import Studio
from tests.studios import OWNER, endless_training, follow, only_host, open_in, small_training, wait_for, wait_state

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_in(tmp_path, "process")
    yield opened
    opened.close()


def steps_of(studio: Studio, job_id: str, after: int = 0) -> list[int]:
    events = studio.jobs.events(OWNER, job_id, after)
    return [step for event in events if event.kind == "metrics" for step in event.data["steps"]]


def kill_worker(studio: Studio, how: signal.Signals = signal.SIGKILL) -> int:
    pid: int = only_host(studio).pid
    os.kill(pid, how)
    return pid


def until_checkpoint(studio: Studio, job: Job) -> None:
    workspace = studio.settings.data / "jobs" / job.id
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    wait_for(lambda: any(workspace.glob("checkpoint-*[1-9]*.safetensors")), 30)


def goes_on(studio: Studio, job: Job, last: int, reached: int) -> list[Numbered]:
    """What is told after ``last`` of a job that goes on from a checkpoint, to its first figures."""
    events = follow(studio, job, after=last, stop=lambda event: event.kind == "metrics")
    first = events[-1].data["steps"][0]
    assert 1 < first <= reached + 1, "it did not begin again, and no step is missing"
    return events


def test_a_training_whose_worker_was_killed_says_so_and_goes_on_from_its_checkpoint_by_itself(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    until_checkpoint(studio, job)
    last = studio.jobs.events(OWNER, job.id)[-1].seq
    killed = kill_worker(studio)
    events = goes_on(studio, job, last, 10**9)
    told = next(event.data for event in events if event.kind == "state" and event.data["state"] == "queued")
    assert "goes on from its last checkpoint by itself" in told["error"]["text"]
    assert any(event.kind == "mark" and event.data["key"] == "resumed" for event in events)
    assert only_host(studio).pid != killed
    studio.jobs.finish(OWNER, job.id)
    done = wait_state(studio, job, "done")
    assert done.attempt == 2
    assert done.error is None


@pytest.mark.parametrize(("what", "state"), [("cancel", "cancelled"), ("finish", "done")])
def test_what_a_worker_was_told_and_did_not_hear_before_it_was_killed_is_done_all_the_same(
    studio: Studio, what: str, state: str
) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    until_checkpoint(studio, job)
    kill_worker(studio, signal.SIGSTOP)
    getattr(studio.jobs, what)(OWNER, job.id)
    kill_worker(studio)
    assert wait_state(studio, job, state, seconds=60).error is None


def test_a_paused_training_is_interrupted_by_a_kill_in_words_and_waits_for_its_owner(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", endless_training())
    until_checkpoint(studio, job)
    studio.jobs.pause(OWNER, job.id)
    wait_state(studio, job, "paused")
    kill_worker(studio)
    interrupted = wait_state(studio, job, "interrupted", seconds=5)
    assert interrupted.error is not None
    assert "SIGKILL" in str(interrupted.error.as_error())
    assert "memory ran out" in str(interrupted.error.as_error())
    reached, last = max(steps_of(studio, job.id)), studio.jobs.events(OWNER, job.id)[-1].seq
    studio.jobs.resume(OWNER, job.id)
    goes_on(studio, job, last, reached)
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")


def test_a_worker_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    studio = open_in(tmp_path, "process", hang_seconds=4)
    job = studio.jobs.submit(OWNER, "training", endless_training())
    until_checkpoint(studio, job)
    last = studio.jobs.events(OWNER, job.id)[-1].seq
    stopped = kill_worker(studio, signal.SIGSTOP)
    goes_on(studio, job, last, 10**9)
    assert not Path(f"/proc/{stopped}").exists()
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")
    studio.close()


def test_a_queued_job_is_run_after_the_worker_was_killed(tmp_path: Path) -> None:
    studio = open_in(tmp_path, "process", running=1)
    running = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, running, stop=lambda event: event.kind == "metrics")
    waiting = studio.jobs.submit(OWNER, "training", small_training(steps=3))
    kill_worker(studio)
    wait_for(lambda: studio.jobs.get(OWNER, running.id).attempt == 2)
    studio.jobs.cancel(OWNER, running.id)
    wait_state(studio, running, "cancelled")
    wait_state(studio, waiting, "done")
    studio.close()


SUBMIT_THEN_HANG = """
import sys, time, threading
from pathlib import Path
from tests.studios import *
studio = open_in(Path(sys.argv[1]), "process", running=2)
done = studio.jobs.submit(OWNER, "training", small_training(seed=9))
wait_state(studio, done, "done")
running = studio.jobs.submit(OWNER, "training", endless_training())
queued = studio.jobs.submit(OWNER, "training", small_training(seed=5))
print(done.id, running.id, queued.id, only_host(studio).pid, flush=True)
time.sleep(600)
"""


def test_a_killed_studio_keeps_finished_and_queued_work_and_resumes_from_seconds_before(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SUBMIT_THEN_HANG, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    done_id, running_id, queued_id, worker = child.stdout.readline().split()
    wait_for(lambda: len(list((tmp_path / "jobs" / running_id).glob("**/*.safetensors"))) >= 1, 30)
    time.sleep(1.5)
    child.kill()
    child.wait()
    child.stdout.close()
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), 10)

    studio = open_in(tmp_path, "process", running=2)
    assert studio.jobs.get(OWNER, done_id).state == "done"
    for item in studio.library.of_job(OWNER, done_id):
        assert len(studio.library.blobs.read(item.digest)) == item.bytes
    assert studio.jobs.get(OWNER, running_id).state == "interrupted"
    wait_for(lambda: studio.jobs.get(OWNER, queued_id).state == "done", 60)
    before = studio.jobs.events(OWNER, running_id)
    reached = max(event.data["seconds"][-1] for event in before if event.kind == "metrics")
    studio.jobs.resume(OWNER, running_id)
    again = follow(
        studio, studio.jobs.get(OWNER, running_id), after=before[-1].seq, stop=lambda event: event.kind == "metrics"
    )
    resumed = again[-1].data["seconds"][0]
    assert 0 < reached - resumed <= 5 or resumed >= reached, "at most five seconds of training are done again"
    studio.jobs.cancel(OWNER, running_id)
    studio.close()
    assert sqlite3.connect(tmp_path / "studio.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_worker_ends_when_its_studio_is_gone(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SUBMIT_THEN_HANG, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    worker = child.stdout.readline().split()[-1]
    child.kill()
    child.wait()
    child.stdout.close()
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), 10)
