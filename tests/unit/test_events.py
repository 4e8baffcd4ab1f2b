"""The event log: numbers, order, what a follower sees, and what a kill can cost."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.orm import Session

from studio.engine.events import EventLog
from studio.engine.term import Term
from studio.store.database import Database
from studio.store.tables import JobRow
from tests.postgres import PostgreSQL


@pytest.fixture
def database(database: Database) -> Database:
    """With two jobs that run."""
    return begun(database)


def begun(database: Database) -> Database:
    with database.write() as session:
        for name in ("one", "two"):
            session.add(JobRow(id=name, owner="ann", kind="text", request={}, state="running", created=1.0))
    return database


def test_numbers_count_from_one_within_each_job(log: EventLog) -> None:
    for _ in range(3):
        log.append("one", "token", {"text": "a"})
    log.append("two", "token", {"text": "b"})
    assert [event.seq for event in log.read("one")] == [1, 2, 3]
    assert [event.seq for event in log.read("two")] == [1]


def test_reading_after_a_number_gives_only_what_is_newer(log: EventLog) -> None:
    for step in range(5):
        log.append("one", "progress", {"done": step})
    assert [event.data["done"] for event in log.read("one", after=3)] == [3, 4]


def test_numbers_go_on_after_a_restart(database: Database) -> None:
    first = EventLog(database)
    first.append("one", "token", {"text": "a"})
    first.close()
    second = EventLog(database)
    second.append("one", "token", {"text": "b"})
    assert [(event.seq, event.data["text"]) for event in second.read("one")] == [(1, "a"), (2, "b")]
    second.close()


def test_a_committed_event_is_on_disk_together_with_its_rows(log: EventLog, database: Database) -> None:
    def end(session: Session) -> list[tuple[str, dict[str, str]]]:
        session.get_one(JobRow, "one").state = "done"
        return [("state", {"state": "done"})]

    log.append("one", "token", {"text": "a"})
    log.commit("one", end)
    fresh = EventLog(database)
    assert [event.kind for event in fresh.read("one")] == ["token", "state"]
    fresh.close()


def test_a_commit_that_fails_tells_nobody_and_loses_nothing(log: EventLog) -> None:
    def fail(_session: Session) -> list[tuple[str, dict[str, str]]]:
        raise RuntimeError("the disk is full")

    log.append("one", "token", {"text": "a"})
    with pytest.raises(RuntimeError, match="full"):
        log.commit("one", fail)
    log.append("one", "token", {"text": "b"})
    assert [(event.seq, event.data["text"]) for event in log.read("one")] == [(1, "a"), (2, "b")]


def test_what_was_written_in_the_moment_the_line_broke_keeps_its_number_when_we_lead_again(
    postgresql: PostgreSQL,
) -> None:
    database = begun(Database(postgresql.fresh()))
    term = Term(database)
    term.begin()
    log = EventLog(database, term)

    def cut(_session: Session) -> list[tuple[str, dict[str, str]]]:
        term.suspend()  # after it was found that we lead, and before it is on disk
        return [("state", {"state": "running"})]

    log.append("one", "token", {"text": "a"})
    log.commit("one", cut)
    term.begin()
    log.append("one", "token", {"text": "b"})
    log.commit("one", lambda _session: [("state", {"state": "done"})])
    assert [(event.seq, event.kind) for event in log.read("one")] == [
        (1, "token"),
        (2, "state"),
        (3, "token"),
        (4, "state"),
    ]
    log.close()
    database.close()


def test_a_long_history_is_read_from_the_database_once_it_left_memory(log: EventLog) -> None:
    for step in range(2500):
        log.append("one", "metrics", {"step": step})
    seen = []
    while batch := log.read("one", after=seen[-1].seq if seen else 0, limit=1000):
        seen += batch
    assert [event.seq for event in seen] == list(range(1, 2501))


def test_a_follower_wakes_at_once_when_something_happens(log: EventLog) -> None:
    async def follow() -> list[int]:
        seen: list[int] = []
        async for _ in log.changes("one", patience=30):
            seen += [event.seq for event in log.read("one", after=seen[-1] if seen else 0)]
            if len(seen) >= 2:
                return seen
            asyncio.get_running_loop().run_in_executor(None, log.append, "one", "token", {"text": "x"})
        return seen

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == [1, 2]
