"""Which of several web processes leads: the one that holds a lock in the database, and no other.

Knows the lock and the term; what leading means is for whoever is told. A line that breaks costs the lock at once: from
then on nothing is written as whoever leads. The process that led has a moment to take the lock back before anybody else
does, as the devices that it gave work to answer to it; one that does not come back is followed within seconds. Over
SQLite there is one process, which leads from its start to its end.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from sqlalchemy.exc import OperationalError

from studio.engine.term import Term
from studio.store.database import Database
from studio.store.lines import Lock

log = logging.getLogger(__name__)

#: how long whoever led has to take the lock back, and how often the others look
GRACE = 1.0
LOOK = 0.25
HOLD = 0.3


class Led(Protocol):
    """Who is told. Called in one thread, one at a time."""

    def begin(self) -> None:
        """We lead. Whoever did before is gone, or there was nobody."""

    def pause(self) -> None:
        """We may not lead any more, or do again in a moment: nothing is begun."""

    def go_on(self) -> None:
        """We lead again, and nobody has meanwhile."""

    def leave(self) -> None:
        """Somebody else leads. What our own devices still do is of no use."""


class Leading:
    """``start`` stands for leading and goes on doing so; ``close`` gives it up."""

    def __init__(self, database: Database, term: Term, led: Led) -> None:
        self._database = database
        self._term = term
        self._led = led
        self._begun = False  # ``begin`` was called, and ``leave`` not since
        self._closing = threading.Event()
        self._decided = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns once it is known whether we lead, or after a moment without an answer."""
        if not self._database.shared:
            self._term.begin()
            self._led.begin()
            return
        self._thread = threading.Thread(target=self._run, name="leading", daemon=True)
        self._thread.start()
        self._decided.wait(2 * GRACE)

    def close(self) -> None:
        """Gives the lock back and says so. What was begun has been ended by whoever calls."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                lock = Lock(self._database.engine)
                try:
                    self._stand(lock)
                finally:
                    self._lose()
                    lock.close()
            except (ConnectionError, OperationalError) as error:
                log.warning("the line to the database that leading hangs on is broken: %s", error)
            except Exception:  # whoever leads must be able to: another may
                log.exception("could not begin to lead")
                self._closing.wait(GRACE)
            self._closing.wait(LOOK / 5)

    def _stand(self, lock: Lock) -> None:
        """Waits for the lock and holds it until we close."""
        free_since: float | None = None
        while not self._closing.is_set():
            last = self._term.last()
            if not lock.is_free():
                free_since = None
                if self._begun and last != self._term.holder:
                    self._leave()
            else:
                free_since = free_since or time.monotonic()
                ours_to_take = last in ("", self._term.holder) or time.monotonic() - free_since >= GRACE
                if ours_to_take and lock.take():
                    return self._lead(lock)
            if last not in ("", self._term.holder):
                self._decided.set()
            self._closing.wait(LOOK)
        return None

    def _lead(self, lock: Lock) -> None:
        follows = self._term.begin()
        if self._begun and follows:
            log.info("leading again, in term %s", self._term.number)
            self._led.go_on()
        else:
            self._leave()
            log.info("leading, in term %s", self._term.number)
            self._begin()
        self._decided.set()
        while not self._closing.is_set():
            lock.hold(HOLD)
        self._term.end()

    def _begin(self) -> None:
        self._begun = True
        try:
            self._led.begin()
        except BaseException:
            self._leave()
            raise

    def _lose(self) -> None:
        """Whatever the reason: without the lock nothing is written as whoever leads."""
        held, self._term.held = self._term.held, False
        if held and self._begun and not self._closing.is_set():
            self._led.pause()

    def _leave(self) -> None:
        if self._begun:
            self._begun = False
            self._led.leave()
