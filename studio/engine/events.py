"""The event log: every job's events, numbered, kept in the database, and followed live by any number of people.

Numbers are given under one lock and events are visible in that order. Ordinary events are written in groups a few
times a second (a kill may cost the last few of a running job); a change of state is on disk before anyone sees it.
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
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from pipelines.durable import DiskFull
from studio.engine.heard import Heard
from studio.engine.job import Numbered
from studio.store.database import Database
from studio.store.tables import EventRow

log = logging.getLogger(__name__)

GROUP_SECONDS = 0.25
RETRY_SECONDS = 2.0
KEPT = 2000  # newest events of a live job that followers get without asking the database


class EventLog:
    """Appends, reads and follows. One instance a web process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: how far engines were heard that tell again what was not written down; written together with what they said
        self.heard = Heard(database)
        self._lock = threading.RLock()
        self._disk = threading.RLock()
        self._last: dict[str, int] = {}
        self._tails: dict[str, deque[Numbered]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._pending: list[dict[str, Any]] = []
        self._watchers: dict[str, set[Callable[[], None]]] = defaultdict(set)
        self._work = threading.Event()
        self._closed = False
        self._writer = threading.Thread(target=self._write_groups, name="event-writer", daemon=True)
        self._writer.start()

    # ----------------------------------------------------------------------------- writing

    def append(self, job_id: str, kind: str, data: Mapping[str, Any]) -> Numbered:
        """Adds an event; it is seen at once and written soon."""
        with self._lock:
            event = self._number(job_id, kind, data)
            self.heard.mark()
        self._work.set()
        self._wake(job_id)
        return event

    def commit(self, job_id: str, make: Callable[[Session], Sequence[tuple[str, Mapping[str, Any]]]]) -> None:
        """Adds events together with the rows that ``make`` changes, in one transaction, before anyone sees them.

        ``make`` returns the events as (kind, data); none where nothing changed and there is nothing to tell.
        """
        with self._disk, self._lock:
            self._flush()
            marks = self.heard.ahead(own=True)
            with self._database.write() as session:
                first, at = self._next(job_id, session), time.time()
                events = [Numbered(first + n, at, kind, data) for n, (kind, data) in enumerate(make(session))]
                rows = [_row(job_id, event) for event in events]
                if rows:
                    session.execute(insert(EventRow), rows)
                self.heard.write(session, marks)
            self.heard.wrote(marks)
            if not events:
                return
            self._last[job_id] = events[-1].seq
            self._tails[job_id].extend(events)
        self._wake(job_id)

    def forget(self, job_id: str) -> None:
        """Drops the memory of a job that has ended; its events stay in the database."""
        self._flush()
        with self._lock:
            self._tails.pop(job_id, None)
            self._last.pop(job_id, None)

    def close(self) -> None:
        self._closed = True
        self._work.set()
        self._writer.join(timeout=10)
        self._try_flush()

    # ----------------------------------------------------------------------------- reading

    def recent(self, job_id: str, after: int, limit: int = 500) -> list[Numbered] | None:
        """Up to ``limit`` events above ``after``, from memory; None where only the database knows them."""
        with self._lock:
            tail = self._tails.get(job_id)
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

    async def changes(self, job_id: str, patience: float = 1.0) -> AsyncIterator[None]:
        """Yields once at the start, then after every change, and every ``patience`` seconds without one."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closing: nobody is there to wake
                loop.call_soon_threadsafe(news.set)

        with self._lock:
            self._watchers[job_id].add(wake)
        try:
            while True:
                news.clear()
                yield
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), patience)
        finally:
            with self._lock:
                self._watchers[job_id].discard(wake)
                if not self._watchers[job_id]:
                    del self._watchers[job_id]

    # ------------------------------------------------------------------------------ inside

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
                    session.execute(insert(EventRow), waiting)
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
        except (DiskFull, OperationalError) as error:
            log.error("%s events cannot be written yet: %s", len(self._pending), error)
            return False
        return True

    def _write_groups(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            time.sleep(GROUP_SECONDS)
            if not self._try_flush():
                time.sleep(RETRY_SECONDS)
                self._work.set()

    def _wake(self, job_id: str) -> None:
        with self._lock:
            watchers = list(self._watchers.get(job_id, ()))
        for watcher in watchers:
            watcher()


def _row(job_id: str, event: Numbered) -> dict[str, Any]:
    return {"job_id": job_id, "seq": event.seq, "at": event.at, "kind": event.kind, "data": dict(event.data)}
