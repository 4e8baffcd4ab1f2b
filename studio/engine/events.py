"""The event log: every job's events, numbered, kept in the database, and followed live by any number of people.

Numbers are given under one lock and events are visible in that order. Ordinary events are written in groups a few
times a second (a kill may cost the last few of a running job); a change of state is on disk before anyone sees it.
Of several processes the one that leads gives the numbers of live jobs, and the others hear of new ones as they are
written (``notices``), and read from the database what they were not told: there groups are written as soon as they
come, with a pause after each that leaves the writer idle most of the time.
Two locks: ``_lock`` guards memory and is held for microseconds by all but a change of state, ``_disk`` is held by
whoever writes, so that no follower waits for the disk. Who needs both takes ``_disk`` first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import func, select
from sqlalchemy import insert as plain_insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from pipelines.durable import DiskFull
from studio.engine.heard import Heard
from studio.engine.job import Numbered
from studio.engine.notices import Told, pack, unpack
from studio.engine.term import Deposed, Term
from studio.store.database import Database, insert
from studio.store.tables import EventRow

log = logging.getLogger(__name__)

#: changes rows; returns the events that say so, as (kind, data)
Make: TypeAlias = Callable[[Session], Sequence[tuple[str, Mapping[str, Any]]]]

GROUP_SECONDS = 0.25
#: the most where other processes wait for them; and as many times as long as a group took to write
SHARED_GROUP_SECONDS = 0.02
IDLE = 2
#: notices of new events, see ``notices``
CHANNEL = "events"
RETRY_SECONDS = 0.5
KEPT = 2000  # newest events of a live job that followers get without asking the database


class EventLog:
    """Appends, reads and follows. One instance a web process. ``term``: None where nobody else may write."""

    def __init__(self, database: Database, term: Term | None = None) -> None:
        self._database = database
        #: how far engines were heard that tell again what was not written down; written together with what they said
        self.heard = Heard(database)
        self._term = term if database.shared else None
        self._lock = threading.RLock()
        self._disk = threading.RLock()
        self._last: dict[str, int] = {}
        self._tails: dict[str, deque[Numbered]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._told = Told()
        self._pending: list[dict[str, Any]] = []
        self._watchers: dict[str, set[Callable[[], None]]] = defaultdict(set)
        self._work = threading.Event()
        self._closed = False
        self._writer = threading.Thread(target=self._write_groups, name="event-writer", daemon=True)
        self._writer.start()

    # ----------------------------------------------------------------------------- writing

    def append(self, job_id: str, kind: str, data: Mapping[str, Any]) -> Numbered:
        """Adds an event; it is seen at once and written soon. ``Deposed`` where somebody else gives the numbers."""
        with self._lock:
            if not self._leads:
                raise Deposed(f"an event of job {job_id} is for whoever leads to write")
            event = self._number(job_id, kind, data)
            self.heard.mark()
        self._work.set()
        self._wake(job_id)
        return event

    def commit(self, job_id: str, make: Make, by_leader: bool = True) -> None:
        """``commit_all`` of one job."""
        self.commit_all({job_id: make}, by_leader)

    def commit_all(self, makes: Mapping[str, Make], by_leader: bool = True) -> None:
        """Adds jobs' events together with the rows that each ``make`` changes, in one transaction, before anyone sees
        them: all of it, or none.

        ``make`` returns the events as (kind, data); none where nothing changed and there is nothing to tell. What is
        done ``by_leader`` raises ``Deposed`` where we do not lead; what anybody may do is of jobs that no device has.
        """
        with self._disk, self._lock:
            if by_leader:
                self._flush()
            marks = self.heard.ahead(own=True) if by_leader else {}
            try:
                written = self._committed(makes, by_leader, marks)
            except BaseException:  # perhaps it was written and only the answer was lost: the database knows
                for job_id in makes:
                    self._forget(job_id)
                raise
            self.heard.wrote(marks)
            for job_id, events in written.items():
                if self._leads:
                    self._last[job_id] = events[-1].seq
                    self._tails[job_id].extend(events)
                else:  # perhaps we did a moment ago, and do again in another: the next number is the database's to know
                    self._forget(job_id)
            for job_id in makes:
                self._told.forget(job_id)  # nobody tells us of our own
        for job_id in makes:
            self._wake(job_id)

    def _committed(
        self, makes: Mapping[str, Make], by_leader: bool, marks: Mapping[str, int]
    ) -> dict[str, list[Numbered]]:
        """The events of those jobs that have any."""
        written: dict[str, list[Numbered]] = {}
        with self._database.write() as session:
            if by_leader:
                self._check(session)
            for job_id, make in makes.items():
                first, at = self._next(job_id, session), time.time()
                if events := [Numbered(first + n, at, kind, data) for n, (kind, data) in enumerate(make(session))]:
                    written[job_id] = events
                    session.execute(plain_insert(EventRow), [_row(job_id, event) for event in events])
            if written:
                self._tell(session, [_row(job_id, event) for job_id, events in written.items() for event in events])
            self.heard.write(session, marks)
        return written

    def forget(self, job_id: str) -> None:
        """Drops the memory of a job that has ended; its events stay in the database."""
        self._flush()
        with self._lock:
            self._forget(job_id)

    def follow_others(self) -> None:
        """Somebody else leads: what we know of numbers is old, and what waits to be written is theirs to say."""
        with self._lock:
            self._pending.clear()
            self._tails.clear()
            self._last.clear()
            self._told.clear()
            self.heard.read_again()
        self.wake_all()

    def close(self) -> None:
        self._closed = True
        self._work.set()
        self._writer.join(timeout=10)
        self._try_flush()

    # ----------------------------------------------------------------------------- reading

    def recent(self, job_id: str, after: int, limit: int = 500, told: bool = False) -> list[Numbered] | None:
        """Up to ``limit`` events above ``after``, from memory; None where only the database knows them.

        ``told``: what another process told us counts, which may be a moment behind the database.
        """
        with self._lock:
            tail = self._tails.get(job_id)
            if told and not tail:
                return self._told.after(job_id, after, limit)
            if not tail or tail[0].seq > after + 1:
                return None
            start = after + 1 - tail[0].seq  # numbers have no gaps
            return list(islice(tail, start, start + limit))

    def read(self, job_id: str, after: int = 0, limit: int = 500) -> list[Numbered]:
        """Up to ``limit`` events with a number above ``after``, in order. May wait for the disk."""
        found = self.recent(job_id, after, limit)
        if found is not None:
            return found
        self._try_flush()
        query = select(EventRow).where(EventRow.job_id == job_id, EventRow.seq > after)
        with self._database.read() as session:
            rows = session.scalars(query.order_by(EventRow.seq).limit(limit))
            return [Numbered(row.seq, row.at, row.kind, row.data) for row in rows]

    def newest(self, job_id: str, kinds: Sequence[str]) -> list[Numbered]:
        """The last event of each of some kinds, in order."""
        self._try_flush()
        of_job = EventRow.job_id == job_id
        last = select(func.max(EventRow.seq)).where(of_job, EventRow.kind.in_(kinds)).group_by(EventRow.kind)
        with self._database.read() as session:
            rows = session.scalars(select(EventRow).where(of_job, EventRow.seq.in_(last)).order_by(EventRow.seq))
            return [Numbered(row.seq, row.at, row.kind, row.data) for row in rows]

    async def changes(self, job_id: str, patience: float = 1.0) -> AsyncIterator[bool]:
        """Yields once at the start, then after every change, and every ``patience`` seconds without one: whether we
        know of a change."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closing: nobody is there to wake
                loop.call_soon_threadsafe(news.set)

        with self._lock:
            self._watchers[job_id].add(wake)
        try:
            known = False
            while True:
                news.clear()
                yield known
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), patience)
                known = news.is_set()
        finally:
            with self._lock:
                self._watchers[job_id].discard(wake)
                if not self._watchers[job_id]:
                    del self._watchers[job_id]
                    self._told.forget(job_id)

    def notice(self, words: str) -> None:
        """Takes a notice: another process has written events of some jobs."""
        with self._lock:
            followed = set(self._watchers)
        by, of = unpack(words, followed)
        if by == self._holder:
            return
        with self._lock:
            for job_id in self._watchers.keys() & of.keys():
                self._told.take(job_id, of[job_id])
        for job_id in of:
            self._wake(job_id)

    def wake_all(self) -> None:
        """Notices may have been missed: everybody looks for themselves."""
        with self._lock:
            self._told.clear()
            followed = list(self._watchers)
        for job_id in followed:
            self._wake(job_id)

    # ------------------------------------------------------------------------------ inside

    @property
    def _leads(self) -> bool:
        """Whether the numbers of live jobs are ours to give."""
        return self._term is None or self._term.held

    @property
    def _holder(self) -> str:
        return "alone" if self._term is None else self._term.holder

    def _check(self, session: Session) -> None:
        if self._term is not None:
            self._term.check(session)

    def _tell(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        if self._database.shared:
            for words in pack(self._holder, rows):
                self._database.notify(session, CHANNEL, words)

    def _forget(self, job_id: str) -> None:
        self._tails.pop(job_id, None)
        self._last.pop(job_id, None)
        self._told.forget(job_id)

    def _number(self, job_id: str, kind: str, data: Mapping[str, Any]) -> Numbered:
        if job_id not in self._last:
            with self._database.read() as session:
                self._last[job_id] = self._next(job_id, session) - 1
        seq = self._last[job_id] = self._last[job_id] + 1
        event = Numbered(seq, time.time(), kind, data)
        self._tails[job_id].append(event)
        self._pending.append(_row(job_id, event))
        return event

    def _next(self, job_id: str, session: Session) -> int:
        if job_id in self._last:
            return self._last[job_id] + 1
        newest = session.scalar(select(func.max(EventRow.seq)).where(EventRow.job_id == job_id))
        return (newest or 0) + 1

    def _flush(self) -> None:
        """Writes what waits; where that fails it waits on, in its place."""
        with self._disk:
            with self._lock:
                waiting, self._pending = self._pending, []
                marks = self.heard.ahead()
            if not waiting:
                return
            try:
                with self._database.write() as session:
                    self._check(session)
                    # what was written before, when only the answer was lost, is there under its number
                    session.execute(insert(session, EventRow).on_conflict_do_nothing(), waiting)
                    self._tell(session, waiting)
                    self.heard.write(session, marks)
                self.heard.wrote(marks)
            except BaseException:
                with self._lock:
                    self._pending = waiting + self._pending
                raise

    def _try_flush(self) -> bool:
        """The same; where it cannot be now (a full disk, say) that is logged, and followers see it all the same."""
        try:
            self._flush()
        except (DiskFull, OperationalError, Deposed) as error:
            log.error("%s events cannot be written yet: %s", len(self._pending), error)
            return False
        return True

    def _write_groups(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            if not self._database.shared:
                time.sleep(GROUP_SECONDS)
            began = time.monotonic()
            written = self._try_flush()
            if self._database.shared:
                time.sleep(min(SHARED_GROUP_SECONDS, IDLE * (time.monotonic() - began)))
            if not written:
                time.sleep(RETRY_SECONDS)
                self._work.set()

    def _wake(self, job_id: str) -> None:
        with self._lock:
            watchers = list(self._watchers.get(job_id, ()))
        for watcher in watchers:
            watcher()


def _row(job_id: str, event: Numbered) -> dict[str, Any]:
    return {"job_id": job_id, "seq": event.seq, "at": event.at, "kind": event.kind, "data": dict(event.data)}
