"""Claims, on both databases: of several who want a job exactly one gets it, and an earlier term's claim is void."""

from __future__ import annotations

import threading
import time

import pytest

from studio.engine.events import EventLog
from studio.engine.job import Job
from studio.engine.rows import JobRows
from studio.engine.term import Deposed, Term
from studio.store.database import Database


def job(name: str) -> Job:
    return Job(name, "ann", "probe", {}, "", 0, "queued", 1.5)


def rows_of(database: Database, log: EventLog, *, begun: bool = True) -> JobRows:
    term = Term(database)
    if begun:
        term.begin()
    return JobRows(database, log, term)


def test_of_two_who_race_for_many_jobs_exactly_one_gets_each(database: Database, log: EventLog) -> None:
    first = rows_of(database, log)
    rival = Term(database)
    rival.number, rival.held = 1, True  # of the same term, which cannot be: the claim alone keeps them apart
    second = JobRows(database, log, rival)
    names = [str(number) for number in range(24)]
    for name in names:
        first.create(job(name))
    got: dict[int, list[str]] = {0: [], 1: []}

    def take(who: int, rows: JobRows) -> None:
        got[who] = [name for name in names if rows.claim(name, "gpu")]

    racers = [threading.Thread(target=take, args=pair) for pair in enumerate((first, second))]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert sorted(got[0] + got[1], key=int) == names


def test_a_claimed_job_is_not_claimed_again_until_it_is_given_back(database: Database, log: EventLog) -> None:
    rows = rows_of(database, log)
    rows.create(job("one"))
    assert rows.claim("one", "gpu 0")
    assert not rows.claim("one", "gpu 1")
    rows.release("one")
    assert rows.claim("one", "gpu 1")
    assert rows.get("one").device == "gpu 1"  # type: ignore[union-attr]  # it was just made


@pytest.mark.parametrize("state", ["running", "done", "cancelled"])
def test_only_what_waits_is_claimed(database: Database, log: EventLog, state: str) -> None:
    rows = rows_of(database, log)
    rows.create(job("one"))
    rows.move("one", state, ("queued",))  # type: ignore[arg-type]  # one of the states
    assert not rows.claim("one", "gpu")
    assert not rows.claim("another", "gpu")


def test_a_job_that_returns_to_the_queue_may_be_claimed_again(database: Database, log: EventLog) -> None:
    rows = rows_of(database, log)
    rows.create(job("one"))
    assert rows.claim("one", "gpu")
    rows.move("one", "running", ("queued",))
    rows.move("one", "queued", ("running",), retry=True)
    assert rows.claim("one", "gpu")


def test_whoever_leads_next_claims_over_a_leader_that_died_and_not_the_other_way_round(
    database: Database, log: EventLog
) -> None:
    old = rows_of(database, log)
    for name in ("one", "two", "three"):
        old.create(job(name))
    assert old.claim("one", "gpu")
    new = rows_of(database, log)
    assert new.claim("one", "gpu")
    assert new.claim("two", "gpu")
    for name in ("one", "two", "three"):
        with pytest.raises(Deposed):
            old.claim(name, "gpu")


def test_whoever_does_not_lead_claims_nothing(database: Database, log: EventLog) -> None:
    rows_of(database, log).create(job("one"))
    with pytest.raises(Deposed):
        rows_of(database, log, begun=False).claim("one", "gpu")


def test_a_job_whose_device_is_silent_is_found_until_it_is_heard_of(database: Database, log: EventLog) -> None:
    old = rows_of(database, log)
    for name in ("one", "two", "waits"):
        old.create(job(name))
    assert old.claim("one", "gpu")
    assert old.claim("two", "gpu")
    old.move("one", "running", ("queued",))
    later = time.time() + 1
    assert [one.id for one in old.silent(later)] == ["one", "two"]
    new = rows_of(database, log)
    time.sleep(0.01)
    now = time.time()
    new.beat(["one"])
    with pytest.raises(Deposed):  # not for whoever led before to say
        old.beat(["two"])
    assert [one.id for one in new.silent(now)] == ["two"]
    new.move("one", "done", ("running",))
    assert [one.id for one in new.silent(later)] == ["two"]


def test_each_who_begins_to_lead_has_a_term_of_their_own_and_the_one_before_is_deposed(database: Database) -> None:
    first, second = Term(database), Term(database)
    first.begin()
    with database.write() as session:
        first.check(session)
    second.begin()
    assert second.number == first.number + 1
    with pytest.raises(Deposed), database.write() as session:
        first.check(session)
    with database.write() as session:
        second.check(session)
