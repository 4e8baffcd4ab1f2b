"""Jobs as rows: made, found, listed, and moved from state to state, each move with its event in one transaction."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from studio.engine.events import EventLog
from studio.engine.job import ENDED, ErrorSentence, Job, NotFound, State
from studio.library.library import add_items, items_of
from studio.library.made import Made
from studio.store.database import Database
from studio.store.tables import JobRow


class JobRows:
    """The jobs table, seen as ``Job`` values."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log

    def create(self, job: Job) -> None:
        """Writes a new job down; once this returns, the job is kept whatever happens."""

        def make(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
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
                )
            )
            session.flush()
            return [("state", {"state": job.state})]

        self._log.commit(job.id, make)

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

    def add(self, job_id: str, made: Sequence[Made]) -> None:
        """Lists in the library what a job has made so far, and says so."""

        def make(session: Session) -> list[tuple[str, Mapping[str, Any]]]:
            row = session.get(JobRow, job_id)
            if row is None:
                return []
            items = add_items(session, row.owner, row.id, row.kind, made)
            return [("kept", {"items": [item.json() for item in items]})]

        self._log.commit(job_id, make)

    def end_with_page(self, job_id: str, ends: bool) -> None:
        """Whether the job ends once nobody follows it."""
        with self._database.write() as session:
            session.execute(update(JobRow).where(JobRow.id == job_id).values(ends_with_page=ends))

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
    )
