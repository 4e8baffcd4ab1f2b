"""Two studios over one PostgreSQL, as two web processes are: one leads, and people see the same at both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from pipelines.errors import Busy, StudioError
from studio.engine.dispatch import Dispatch
from studio.engine.hosts import Loss
from studio.engine.job import Job
from studio.engine.rows import JobRows
from studio.services import Studio, open_studio
from studio.store.database import Database
from studio.store.tables import JobRow
from tests.postgres import PostgreSQL
from tests.studios import OWNER, endless_training, follow, settings, small_training, wait_for, wait_state


class Pair:
    """``leader`` leads and ``other`` does not, to begin with."""

    def __init__(self, data: Path, url: str) -> None:
        self._data, self._url = data, url
        self.opened: list[Studio] = []
        self.leader, self.other = self.open(), self.open()

    def open(self) -> Studio:
        studio = open_studio(settings(self._data, engine="inline", database=self._url, waiting_each=3))
        self.opened.append(studio)
        studio.start()
        wait_for(lambda: studio.jobs.status().worker == "ready")
        return studio

    def close(self) -> None:
        for studio in reversed(self.opened):
            studio.close()

    def cut(self, where: str) -> None:
        """Ends connections of both, chosen in the database's own words."""
        with self.other.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {where}"))


LOCKED = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted)"
ALL_OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def pair(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Pair]:
    with closing(Pair(tmp_path, postgresql.fresh())) as pair:
        yield pair


def submit(studio: Studio, **changes: object) -> Job:
    return studio.jobs.submit(OWNER, "training", small_training(**changes))


def test_one_of_two_leads_and_the_other_follows_what_it_was_asked_for_to_its_end(pair: Pair) -> None:
    assert (pair.leader.jobs.leads, pair.other.jobs.leads) == (True, False)
    job = submit(pair.other)
    seen = follow(pair.other, job)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].data == {"state": "done"}
    assert seen == follow(pair.leader, job)
    assert len(pair.other.library.of_job(OWNER, job.id)) == len(pair.leader.library.of_job(OWNER, job.id)) > 0


def test_what_a_person_says_at_one_process_is_done_by_the_other(pair: Pair) -> None:
    jobs = pair.other.jobs
    job = jobs.submit(OWNER, "training", endless_training())
    wait_state(pair.other, job, "running")
    assert jobs.pause(OWNER, job.id).id == job.id
    wait_state(pair.other, job, "paused")
    jobs.resume(OWNER, job.id)
    wait_state(pair.other, job, "running")
    follow(pair.other, job, stop=lambda event: event.kind == "metrics")
    jobs.steer(OWNER, job.id, {"learning_rate": 0.0001})
    follow(pair.other, job, stop=lambda event: event.kind == "mark")
    assert wait_for(lambda: jobs.status().running)[0].job_id == job.id
    assert wait_for(lambda: jobs.get(OWNER, job.id).device_seconds > 0)
    jobs.stop(job.id)
    assert wait_state(pair.leader, job, "interrupted").error.key == "job.stopped"  # type: ignore[union-attr]
    jobs.resume(OWNER, job.id)
    wait_state(pair.other, job, "running")
    jobs.cancel(OWNER, job.id)
    assert wait_state(pair.other, job, "cancelled").attempt == 2
    with pytest.raises(StudioError, match="Only a running job"):
        jobs.pause(OWNER, job.id)


def test_a_job_that_is_called_off_before_the_leader_has_looked_for_new_ones_is_called_off(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobRows, "unclaimed", lambda rows: [])  # as of a moment before it was written down
    job = pair.other.jobs.submit(OWNER, "training", endless_training())
    pair.other.jobs.cancel(OWNER, job.id)
    wait_state(pair.other, job, "cancelled")


def test_places_caps_and_draining_are_the_same_at_both(pair: Pair) -> None:
    pair.other.jobs.drain(True)
    wait_for(lambda: pair.leader.jobs.status().draining)
    with pytest.raises(Busy, match="about to be serviced"):
        submit(pair.leader)
    pair.leader.jobs.drain(False)
    pair.leader.jobs._dispatch.drain(True)  # begins nothing, and takes what comes
    waiting = [submit(studio) for studio in (pair.other, pair.leader, pair.other)]
    with pytest.raises(Busy, match="You have 3 jobs waiting"):
        submit(pair.other)
    wait_for(lambda: pair.other.jobs.status().queued == 3)
    places = [pair.other.jobs.place(OWNER, job.id) for job in waiting]
    assert [place.position for place in places if place] == [1, 2, 3]
    assert [job.id for job in pair.other.jobs.queue()] == [job.id for job in waiting]
    assert pair.other.jobs.cancel(OWNER, waiting[0].id).state == "cancelled"
    pair.leader.jobs._dispatch.drain(False)
    for job in waiting[1:]:
        wait_state(pair.other, job, "done")
    pair.leader.caps.change("administrator", {"waiting": 7})
    wait_for(lambda: pair.other.caps.of(OWNER).waiting == 7)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("presence", "rows"):
        monkeypatch.setattr(f"studio.engine.{module}.PATIENCE", 1.0)
    monkeypatch.setattr("studio.engine.presence.RENEWED", 0.1)


@pytest.mark.usefixtures("little_patience")
def test_a_job_ends_with_its_page_only_once_no_process_has_it_open(tmp_path: Path, postgresql: PostgreSQL) -> None:
    with closing(Pair(tmp_path, postgresql.fresh())) as pair:
        job = pair.other.jobs.submit(OWNER, "training", endless_training(), ends_with_page=True)
        until = time.monotonic() + 3
        follow(pair.other, job, stop=lambda _event: time.monotonic() > until)
        assert pair.leader.jobs.list(OWNER)[0].state == "running"
        wait_for(lambda: pair.leader.jobs.list(OWNER)[0].state == "done")


def test_what_nobody_runs_any_more_is_said_or_goes_on_when_somebody_leads(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = postgresql.fresh()
    database, training = Database(url), small_training(steps=3)
    with database.write() as session:
        for name, kind, state, request in (
            ("trained", "training", "running", training),
            ("painted", "style", "running", {"photo": "0" * 64, "style": "amber-morning"}),
            ("claimed", "training", "queued", training),
        ):
            row = JobRow(id=name, owner=OWNER, kind=kind, request=request, state=state, created=time.time())
            row.claimed_by, row.term, row.beat = "web-that-died", 0, time.time()
            session.add(row)
    database.close()
    with closing(Pair(tmp_path, url)) as pair:
        painted = pair.other.jobs.get(OWNER, "painted")
        assert (painted.state, painted.error and painted.error.key) == ("interrupted", "job.moved")
        for name, attempt in (("trained", 2), ("claimed", 1)):
            assert wait_state(pair.other, pair.other.jobs.get(OWNER, name), "done").attempt == attempt


def test_a_job_that_was_claimed_and_is_with_no_device_is_taken_up_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.leader.jobs._dispatch.drain(True)
    monkeypatch.setattr("studio.engine.floor.SILENT", 0.5)
    job = submit(pair.other)
    assert pair.leader.jobs._rows.claim(job.id, "1")  # as if the answer had been lost
    pair.leader.jobs._dispatch.drain(False)
    assert follow(pair.other, job)[-1].data == {"state": "done"}


def test_when_the_leader_closes_the_other_leads_and_goes_on_with_what_ran_and_what_waits(pair: Pair) -> None:
    job = pair.other.jobs.submit(OWNER, "training", endless_training())
    follow(pair.other, job, stop=lambda event: event.kind == "metrics")
    pair.leader.close()
    pair.opened.remove(pair.leader)
    wait_for(lambda: pair.other.jobs.leads, 10)
    assert wait_state(pair.other, job, "running").attempt == 2
    pair.other.jobs.finish(OWNER, job.id)
    assert wait_state(pair.other, job, "done").facts["steps"] > 0
    another = submit(pair.other)
    assert follow(pair.other, another)[-1].data == {"state": "done"}


def test_a_leader_whose_line_is_cut_leads_again_and_what_it_runs_goes_on(pair: Pair) -> None:
    job = pair.leader.jobs.submit(OWNER, "training", endless_training())
    wait_state(pair.leader, job, "running")
    for where in (LOCKED, ALL_OTHERS, LOCKED):
        before = pair.leader.jobs._rows._term.number
        pair.cut(where)
        wait_for(lambda before=before: pair.leader.jobs._rows._term.number > before, 10)
        last = pair.leader.jobs.events(OWNER, job.id)[-1].seq
        follow(pair.other, job, last, stop=lambda event: event.kind == "metrics")
    assert pair.leader.jobs.leads
    assert not pair.other.jobs.leads
    pair.other.jobs.cancel(OWNER, job.id)
    seen = follow(pair.other, job)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert [event.data["state"] for event in seen if event.kind == "state"] == ["queued", "running", "cancelled"]


def test_a_device_that_dies_while_nothing_can_be_written_is_told_of_as_soon_as_it_can(pair: Pair) -> None:
    jobs = [pair.leader.jobs.submit(OWNER, "training", endless_training()) for _ in range(2)]
    wait_state(pair.other, jobs[0], "running")
    dispatch, term = pair.leader.jobs._dispatch, pair.leader.jobs._rows._term
    assert isinstance(dispatch, Dispatch)
    (device,) = dispatch._fleet
    term.suspend()
    threading.Timer(1.2, lambda: setattr(term, "held", True)).start()
    dispatch._lost(device, Loss("killed", "signal 9"))
    lost = pair.other.jobs.get(OWNER, jobs[0].id)
    assert (lost.state, lost.attempt, lost.error and lost.error.key) == ("queued", 2, "job.again")
    assert [job.id for job in dispatch.queue()] == [job.id for job in jobs]


def test_whoever_led_and_does_not_any_more_writes_nothing_and_follows(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = pair.leader.jobs.submit(OWNER, "training", endless_training())
    wait_state(pair.leader, job, "running")
    leading = pair.leader.jobs._floor._leading
    monkeypatch.setattr(leading, "_stand", lambda _lock: time.sleep(0.05))  # it is away for too long
    pair.cut(LOCKED)
    wait_for(lambda: pair.other.jobs.leads, 10)
    monkeypatch.undo()
    wait_for(lambda: not pair.leader.jobs.leads, 20)
    wait_state(pair.other, job, "running")  # it goes on there from its last checkpoint
    assert pair.other.jobs.get(OWNER, job.id).attempt == 2
    pair.leader.jobs.finish(OWNER, job.id)
    wait_state(pair.leader, job, "done")
    seen = follow(pair.leader, job)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    states = [event.data["state"] for event in seen if event.kind == "state"]
    assert states == ["queued", "running", "queued", "running", "done"]
    assert len(pair.other.library.of_job(OWNER, job.id)) == 2
