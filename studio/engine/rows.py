"""Jobs as rows: made, found, listed, and moved from state to state, each move with its event in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from studio.engine.events import EventLog, Make
from studio.engine.job import ENDED, LIVE, ErrorSentence, Job, NotFound, State
from studio.engine.presence import PATIENCE
from studio.engine.term import Term
from studio.library.library import add_items, items_of
from studio.library.made import Made
from studio.store.database import Database
from studio.store.tables import JobRow

#: told how many jobs wait, an owner's and everybody's; raises where one more is too many
Check: TypeAlias = Callable[[int, int], None]
#: states in which a device has the job
HELD = frozenset({"running", "paused"})


class JobRows:
    """The jobs table, seen as ``Job`` values. ``term``: as whom, and in which term of leading, jobs are claimed."""

    def __init__(self, database: Database, log: EventLog, term: Term) -> None:
        self._database = database
        self._log = log
        self._term = term

    @property
    def shared(self) -> bool:
        """Whether other processes may be at work on the same rows."""
        return self._database.shared

    def create(self, job: Job, check: Check | None = None) -> None:
        """``create_all`` of one."""
        self.create_all([job], check)

    def create_all(self, jobs: Sequence[Job], check: Check | None = None) -> None:
        """Writes new jobs of one owner down; once this returns, they are kept whatever happens. All of them, or none.

        ``check`` is told how many jobs wait, of their owner and in all, and may raise what is a reason not to.
        """
        self._anybodys({job.id: self._new(job, check if job is jobs[0] else None) for job in jobs})

    def _new(self, job: Job, check: Check | None) -> Make:
        def make(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
            if session.get(JobRow, job.id) is not None:  # a line that broke after it was written
                return []
            if check is not None:
                check(*self._waiting(session, job.owner))
            session.add(
                JobRow(
                    id=job.id,
                    owner=job.owner,
                    kind=job.kind,
                    request=dict(job.request),
                    model=job.model,
                    seed=job.seed,
                    state=job.state,
                    created=job.created,
                    ends_with_page=job.ends_with_page,
                    stays_until=time.time() + PATIENCE,
                )
            )
            session.flush()
            return [("state", {"state": job.state})]

        return make

    def queue_again(self, job_id: str, check: Check) -> bool:
        """Puts an interrupted job back in the queue; whether it was one. ``check`` as of ``create``."""

        def make(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
            row = session.get(JobRow, job_id)
            if row is None or row.state != "interrupted":
                return []
            check(*self._waiting(session, row.owner))
            row.state, row.error, row.ended, row.claimed_by, row.beat = "queued", None, None, None, None
            row.stays_until = time.time() + PATIENCE
            row.attempt += 1
            queued.append(job_id)
            return [("state", {"state": "queued"})]

        queued: list[str] = []
        self._anybodys({job_id: make})
        return bool(queued)

    def _anybodys(self, makes: Mapping[str, Make]) -> None:
        """Writes what every process may. A line to the database that breaks meanwhile is tried once more."""
        try:
            self._log.commit_all(makes, by_leader=False)
        except OperationalError as error:
            if not error.connection_invalidated:
                raise
            self._log.commit_all(makes, by_leader=False)

    def waiting(self, owner: str) -> tuple[int, int]:
        """How many jobs wait, of an owner and in all."""
        with self._database.read() as session:
            return self._waiting(session, owner)

    def _waiting(self, session: Session, owner: str) -> tuple[int, int]:
        mine = func.count().filter(JobRow.owner == owner)
        query = select(mine, func.count()).where(JobRow.state == "queued", JobRow.claimed_by.is_(None))
        ours, everybodys = session.execute(query).one()
        return int(ours), int(everybodys)

    def get(self, job_id: str) -> Job | None:
        with self._database.read() as session:
            row = session.get(JobRow, job_id)
            return None if row is None else _job(row)

    def find(
        self,
        owner: str | None = None,
        kinds: Collection[str] = (),
        states: Collection[str] = (),
        limit: int | None = None,
        oldest_first: bool = False,
    ) -> list[Job]:
        """Jobs that fit everything given, newest first unless said otherwise."""
        query = select(JobRow).limit(limit)
        query = query.order_by(JobRow.created if oldest_first else JobRow.created.desc(), JobRow.id)
        if owner is not None:
            query = query.where(JobRow.owner == owner)
        if kinds:
            query = query.where(JobRow.kind.in_(kinds))
        if states:
            query = query.where(JobRow.state.in_(states))
        with self._database.read() as session:
            return [_job(row) for row in session.scalars(query)]

    def since(self, when: float) -> list[Job]:
        """Jobs that used the device and have not ended before ``when``, in the order in which they ended."""
        query = select(JobRow).where(JobRow.device_seconds > 0, (JobRow.ended.is_(None)) | (JobRow.ended > when))
        with self._database.read() as session:
            return [_job(row) for row in session.scalars(query.order_by(JobRow.ended.is_(None), JobRow.ended))]

    def totals(self) -> list[tuple[str, str, int, float]]:
        """How many jobs there are of each kind and state, and their device seconds up to their last end."""
        query = select(JobRow.kind, JobRow.state, func.count(), func.sum(JobRow.device_seconds))
        with self._database.read() as session:
            rows = session.execute(query.group_by(JobRow.kind, JobRow.state).order_by(JobRow.kind, JobRow.state))
            return [(kind, state, count, float(seconds or 0.0)) for kind, state, count, seconds in rows]

    def move(
        self,
        job_id: str,
        state: State,
        only_from: Collection[str],
        *,
        device_seconds: float | None = None,
        error: ErrorSentence | None = None,
        facts: Mapping[str, Any] | None = None,
        made: Sequence[Made] = (),
        retry: bool = False,
    ) -> bool:
        """Moves a job to ``state`` if it is in one of ``only_from``; returns whether it was.

        What it made is listed in the library in the same transaction, so a finished job has its files and a file in
        the library has its finished job.
        """

        def make(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
            row = session.get(JobRow, job_id)
            if row is None or row.state not in only_from or row.state == state:
                return []
            now = time.time()
            row.state = state
            row.error = None if error is None else error.json()
            row.started = now if state == "running" and row.started is None else row.started
            row.ended = now if state in ENDED else None
            row.attempt += retry
            if state not in HELD:
                row.claimed_by = row.beat = None
            if device_seconds is not None:
                row.device_seconds = device_seconds
            events: list[tuple[str, Mapping[str, Any]]] = []
            if facts is not None:
                row.facts = dict(facts)
                items = [*items_of(session, row.id), *add_items(session, row.owner, row.id, row.kind, made)]
                events.append(("result", {"items": [item.json() for item in items], "facts": dict(facts)}))
            events.append(("state", {"state": state} | ({} if error is None else {"error": error.json()})))
            moved.append(state)
            return events

        moved: list[str] = []
        self._log.commit(job_id, make)
        if moved and state in ENDED:
            self._log.forget(job_id)
        return bool(moved)

    # ------------------------------------------------------------------------- who has which job

    def claim(self, job_id: str, device: str) -> bool:
        """Takes a queued job for a device, so that nobody else does. False where it is not to be had: it is queued no
        more, or somebody has it. A claim of an earlier term is void.

        This and what follows raises ``Deposed`` where our term is over.
        """
        free = or_(JobRow.claimed_by.is_(None), JobRow.term < self._term.number)
        waiting = select(JobRow.id).where(JobRow.id == job_id, JobRow.state == "queued", free)
        with self._database.write() as session:
            self._term.check(session)
            if session.scalar(waiting.with_for_update(skip_locked=True)) is None:
                return False
            claim = {"claimed_by": self._term.holder, "term": self._term.number, "device": device, "beat": time.time()}
            session.execute(update(JobRow).where(JobRow.id == job_id).values(claim))
            return True

    def release(self, job_id: str) -> None:
        """Gives up a claim of ours; a job that waits may be claimed again."""
        mine = (JobRow.id == job_id, JobRow.claimed_by == self._term.holder, JobRow.term == self._term.number)
        with self._database.write() as session:
            self._term.check(session)
            session.execute(update(JobRow).where(*mine).values(claimed_by=None, beat=None))

    def beat(self, job_ids: Collection[str]) -> None:
        """These jobs' devices were heard of just now, and say that they have them. The claims are of this term now:
        whoever leads anew takes over what runs on."""
        if not job_ids:
            return
        claim = {"claimed_by": self._term.holder, "term": self._term.number, "beat": time.time()}
        theirs = (JobRow.id.in_(job_ids), JobRow.state.in_(LIVE))
        with self._database.write() as session:
            self._term.check(session)
            session.execute(update(JobRow).where(*theirs).values(claim))

    def silent(self, before: float) -> list[Job]:
        """Jobs that somebody claimed and whose device was not heard of since ``before``, the oldest first."""
        query = select(JobRow).where(JobRow.state.in_(LIVE), JobRow.claimed_by.is_not(None), JobRow.beat < before)
        with self._database.read() as session:
            return [_job(row) for row in session.scalars(query.order_by(JobRow.created, JobRow.id))]

    def add(self, job_id: str, made: Sequence[Made]) -> None:
        """Lists in the library what a job has made so far, and says so."""

        def make(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
            row = session.get(JobRow, job_id)
            if row is None:
                return []
            listed = {(item.name, item.digest) for item in items_of(session, row.id)}
            new = [one for one in made if (one.name, one.digest) not in listed]  # said twice where an answer was lost
            if not new:
                return []
            items = add_items(session, row.owner, row.id, row.kind, new)
            return [("kept", {"items": [item.json() for item in items]})]

        self._log.commit(job_id, make)

    def end_with_page(self, job_id: str, ends: bool) -> None:
        """Whether the job ends once nobody follows it."""
        with self._database.write() as session:
            session.execute(update(JobRow).where(JobRow.id == job_id).values(ends_with_page=ends))

    def stay(self, until: Mapping[str, float]) -> None:
        """Those of these jobs that end with their page do not before a time, by their names."""
        ending = (JobRow.ends_with_page, JobRow.state.in_(LIVE))
        with self._database.read() as session:
            found = session.scalars(select(JobRow.id).where(JobRow.id.in_(until), *ending)).all()
        if found:
            with self._database.write() as session:
                for job_id in sorted(found):
                    later = (JobRow.id == job_id, JobRow.stays_until < until[job_id])
                    session.execute(update(JobRow).where(*later).values(stays_until=until[job_id]))

    def left(self, now: float) -> list[str]:
        """Jobs that end with their page, and nobody has been there for a while."""
        query = select(JobRow.id).where(JobRow.ends_with_page, JobRow.state.in_(LIVE), JobRow.stays_until < now)
        with self._database.read() as session:
            return list(session.scalars(query))

    def ending(self) -> list[str]:
        """Live jobs that end with their page."""
        query = select(JobRow.id).where(JobRow.ends_with_page, JobRow.state.in_(LIVE))
        with self._database.read() as session:
            return list(session.scalars(query))

    def unclaimed(self) -> list[str]:
        """Jobs that wait and that nobody has given to a device, the oldest first."""
        query = select(JobRow.id).where(JobRow.state == "queued", JobRow.claimed_by.is_(None))
        with self._database.read() as session:
            return list(session.scalars(query.order_by(JobRow.created, JobRow.id)))

    def spent(self, since: float) -> list[tuple[str, str, float]]:
        """Device seconds by owner and model, or kind where there is none, of jobs that ended after ``since`` or run."""
        model = case((JobRow.model == "", JobRow.kind), else_=JobRow.model)
        query = select(JobRow.owner, model, func.sum(JobRow.device_seconds)).where(JobRow.device_seconds > 0)
        query = query.where(JobRow.ended.is_(None) | (JobRow.ended > since)).group_by(JobRow.owner, model)
        with self._database.read() as session:
            return [(owner, name, float(seconds)) for owner, name, seconds in session.execute(query)]

    def owned(self, owner: str, job_id: str) -> Job:
        """The job, or ``NotFound`` where there is none of this owner's."""
        job = self.get(job_id)
        if job is None or job.owner != owner:
            raise NotFound(job_id)
        return job


def _job(row: JobRow) -> Job:
    error = row.error
    return Job(
        id=row.id,
        owner=row.owner,
        kind=row.kind,
        request=row.request,
        model=row.model,
        seed=row.seed,
        state=row.state,  # type: ignore[arg-type]  # only States are ever written
        created=row.created,
        started=row.started,
        ended=row.ended,
        device_seconds=row.device_seconds,
        attempt=row.attempt,
        error=None if error is None else ErrorSentence(error["key"], error["sentence"], error["values"]),
        facts=row.facts or {},
        ends_with_page=row.ends_with_page,
        device=row.device,
    )
