"""What an engine says that outlives its listeners: numbered, told again until it is written down, and taken once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from studio.engine.events import EventLog
from studio.engine.heard import Heard
from studio.engine.job import Job
from studio.engine.messages import Attached, Emitted, Ended, Marked, Message, Ready, Run, Turned, Vitals
from studio.engine.outbox import Outbox
from studio.store.database import Database
from tests.studios import OWNER, endless_training, follow, open_in, small_training, wait_for

READY = Ready("CPU", "cpu", "float32", "a test", 1, 1)


def said(number: int) -> Emitted:
    return Emitted("a", "token", {"text": str(number), "count": number})


def test_messages_are_told_again_until_they_are_acknowledged() -> None:
    box = Outbox()
    for number in range(3):
        box.put(said(number))
    assert [number for number, _ in box.after(0, 0)[0]] == [1, 2, 3]
    box.acknowledge(2)
    assert box.after(0, 0)[0] == [(3, said(2))]
    assert box.after(3, 0)[0] == []


def test_a_listener_gets_so_many_at_a_time_from_where_it_is() -> None:
    box = Outbox()
    for number in range(10):
        box.put(said(number))
    box.acknowledge(2)
    assert [number for number, _ in box.after(0, 0, most=3)[0]] == [3, 4, 5]
    assert [number for number, _ in box.after(5, 0, most=3)[0]] == [6, 7, 8]


def test_of_what_is_of_the_moment_only_the_newest_is_told_and_to_whoever_comes() -> None:
    box = Outbox()
    box.put(READY)
    for used in range(3):
        box.put(Vitals(used, (), None, {}))
    told, beats = box.after(0, 0)
    assert told == [(0, READY), (0, Vitals(2, (), None, {}))]
    assert box.after(0, beats)[0] == []
    assert len(box.after(0, 0)[0]) == 2


def test_a_job_is_there_until_its_end_is_acknowledged() -> None:
    box = Outbox()
    box.runs(Run("a", OWNER, "sample", {}))
    box.put(said(1))
    box.put(Ended("a", "done", 1.0))
    assert box.jobs == ("a",)
    box.acknowledge(1)
    assert box.jobs == ("a",)
    box.acknowledge(2)
    assert box.jobs == ()


def test_a_job_that_was_begun_again_before_its_first_end_was_acknowledged_is_still_there() -> None:
    box = Outbox()
    box.runs(Run("a", OWNER, "training", {}))
    box.put(Ended("a", "interrupted", 1.0))
    box.runs(Run("a", OWNER, "training", {}))
    box.acknowledge(1)
    assert box.jobs == ("a",)
    box.put(Ended("a", "done", 2.0))
    box.acknowledge(2)
    assert box.jobs == ()


def test_whoever_says_more_than_may_be_kept_waits_until_somebody_has_listened() -> None:
    box = Outbox(most=2)
    talking = threading.Thread(target=lambda: [box.put(said(number)) for number in range(4)])
    talking.start()
    wait_for(lambda: len(box.after(0, 0)[0]) == 2)
    assert talking.is_alive()
    box.acknowledge(2)
    talking.join(10)
    assert [number for number, _ in box.after(0, 0)[0]] == [3, 4]


def test_how_far_an_engine_was_heard_is_written_with_what_it_said(database_url: str) -> None:
    database = Database(database_url)
    log = EventLog(database)
    log.heard.known("engine")
    assert log.heard.written("engine") == 0
    with log.heard.taking("engine", 7):
        log.commit("job", lambda session: [])
    assert log.heard.written("engine") == 7
    with log.heard.taking("engine", 8):
        pass  # says nothing that is written
    assert log.heard.known("engine") == 8
    log.close()
    assert Heard(database).known("engine") == 7, "what is not written is told again"
    log.heard.forget("engine")
    assert Heard(database).known("engine") == 0
    database.close()


def test_what_could_not_be_written_is_not_said_to_be(database_url: str) -> None:
    database = Database(database_url)
    log = EventLog(database)

    def full(session: object) -> list[tuple[str, dict[str, str]]]:
        raise OSError("full")

    with pytest.raises(OSError, match="full"), log.heard.taking("engine", 3):
        log.commit("job", full)
    assert log.heard.known("engine") == 0
    log.close()
    database.close()


class Detached:
    """A host whose engine goes on without us: it is played here, message by message."""

    outlives = True
    state = "ready"

    def __init__(self) -> None:
        self.orders: list[object] = []
        self.acknowledged = 0

    def start(self, receive: object, lost: object) -> None:
        self.receive, self.lost = receive, lost

    def order(self, order: object) -> None:
        self.orders.append(order)

    def acknowledge(self, number: int) -> None:
        self.acknowledged = number

    def close(self) -> None:
        self.state = "closed"


def test_nothing_is_heard_twice_and_an_attempt_that_was_given_up_is_cancelled(tmp_path: Path) -> None:
    first = open_in(tmp_path)
    dispatch = first.jobs._dispatch
    host = Detached()
    dispatch.join("far", "there", host)  # type: ignore[arg-type]
    dispatch.drain_device("1", True)
    device = dispatch._fleet.get("far")
    assert device is not None

    def hear(number: int, message: Message) -> None:
        dispatch._receive(device, Marked("life", number, message))

    dispatch._receive(device, Attached("life", ()))
    dispatch._receive(device, READY)
    job = first.jobs.submit(OWNER, "training", small_training())
    assert [type(order) for order in host.orders] == [Run]
    emitted = Emitted(job.id, "progress", {"stage": "training", "done": 1, "total": 2, "unit": "step"})
    hear(1, emitted)
    hear(1, emitted)
    first.close()
    second = open_in(tmp_path)
    dispatch = second.jobs._dispatch
    wait_for(lambda: second.jobs.get(OWNER, job.id).state == "done")  # nobody said that it has it: it was begun here
    late = Detached()
    dispatch.join("far", "there", late)  # type: ignore[arg-type]
    device = dispatch._fleet.get("far")
    assert device is not None
    dispatch._receive(device, Attached("life", (job.id,)))
    assert [getattr(order, "what", "") for order in late.orders] == ["cancel"], "that attempt was given up"
    before = second.jobs.events(OWNER, job.id)
    dispatch._receive(device, Marked("life", 1, emitted))
    dispatch._receive(device, Marked("life", 2, Ended(job.id, "done", 1.0)))
    assert second.jobs.events(OWNER, job.id) == before
    dispatch._receive(device, Vitals(0, (), None, {}))
    assert second.jobs.get(OWNER, job.id).state == "done"
    assert sum(event.kind == "progress" and event.data.get("total") == 2 for event in before) == 1
    second.close()


def test_of_a_job_that_runs_on_without_us_it_is_known_at_once_how_far_it_is(tmp_path: Path) -> None:
    studio = open_in(tmp_path)
    dispatch = studio.jobs._dispatch
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs.pause(OWNER, job.id)  # it says nothing more
    wait_for(lambda: studio.jobs.get(OWNER, job.id).state == "paused")
    before = studio.jobs.status().running[0]
    with dispatch._lock:  # type: ignore[union-attr]
        gone = dispatch._roster.inside.pop(job.id)  # type: ignore[union-attr]
        device = dispatch._fleet.get(gone.device)  # type: ignore[union-attr]
        assert device is not None
        dispatch._attached(device, "", (job.id,))  # type: ignore[union-attr]
        found = studio.jobs.status().running[0]
    assert (found.stage, found.total, found.unit) == ("training", 1_000_000, "step")
    assert (found.done, found.seconds_left) == (before.done, before.seconds_left)
    studio.jobs.cancel(OWNER, job.id)
    wait_for(lambda: studio.jobs.get(OWNER, job.id).state == "cancelled")
    studio.close()


def test_an_engine_that_outlives_us_keeps_its_jobs_when_we_close(tmp_path: Path) -> None:
    studio = open_in(tmp_path)
    dispatch = studio.jobs._dispatch
    dispatch.drain_device("1", True)
    host = Detached()
    dispatch.join("far", "there", host)  # type: ignore[arg-type]
    device = dispatch._fleet.get("far")
    assert device is not None
    dispatch._receive(device, Attached("life", ()))
    dispatch._receive(device, READY)
    job: Job = studio.jobs.submit(OWNER, "training", small_training())
    assert len(host.orders) == 1
    dispatch._receive(device, Marked("life", 1, Turned(job.id, "running")))
    dispatch._receive(device, Vitals(0, (), job.id, {job.id: 1.0}))
    assert host.acknowledged == 1
    studio.jobs._dispatch.close()
    assert studio.jobs.get(OWNER, job.id).state == "running"
    studio.close()
