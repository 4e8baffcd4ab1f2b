"""Which jobs end with the page that asked for them, and whether anybody still follows those.

Knows jobs by name, counts followers and hears of looks, for pages that ask again and again instead. A page that is
loaded again is away for a moment, so nothing ends before ``PATIENCE`` seconds without anybody. What ending means is
for others. Of several processes each writes down until when its own pages keep a job, and the one that leads ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

log = logging.getLogger(__name__)

PATIENCE = 15.0
#: the same after a look: browsers let a page that nobody sees ask but once a minute
LOOKED = 90.0
#: how often what is written down is renewed
RENEWED = 3.0


class Presence:
    """``left`` is called, in a thread of its own, with a job that nobody follows any more."""

    def __init__(self, left: Callable[[str], None]) -> None:
        self._left = left
        self._lock = threading.Lock()
        self._followers: Counter[str] = Counter()
        self._alarms: dict[str, threading.Timer | None] = {}  # of the jobs that end with their page
        self._looks: dict[str, float] = {}  # when somebody last looked at one of those

    def watch(self, job_id: str) -> None:
        """From now on this job ends when nobody follows it; whoever asked for it has a moment to begin."""
        with self._lock:
            if job_id not in self._alarms:
                self._alarms[job_id] = None
                self._look(job_id)

    def look(self, job_id: str) -> None:
        """Somebody looks at the job at this moment."""
        if job_id in self._alarms:
            self._looks[job_id] = time.monotonic()

    def forget(self, job_id: str) -> None:
        """The job has ended, or goes on whoever leaves."""
        with self._lock:
            self._looks.pop(job_id, None)
            self._silence(job_id)
            self._alarms.pop(job_id, None)

    @contextmanager
    def here(self, job_id: str) -> Iterator[None]:
        """Somebody follows the job for the length of the block."""
        with self._lock:
            self._followers[job_id] += 1
            self._silence(job_id)
        try:
            yield
        finally:
            with self._lock:
                self._followers[job_id] -= 1
                self._look(job_id)

    def close(self) -> None:
        with self._lock:
            for job_id in list(self._alarms):
                self._silence(job_id)
            self._alarms.clear()

    # ------------------------------------------------------------- inside; the lock is held

    def _look(self, job_id: str) -> None:
        if self._followers[job_id] > 0:
            return
        del self._followers[job_id]
        if job_id in self._alarms:
            self._set(job_id, PATIENCE)

    def _set(self, job_id: str, seconds: float) -> None:
        alarm = self._alarms[job_id] = threading.Timer(seconds, self._ring, [job_id])
        alarm.daemon = True
        alarm.start()

    def _silence(self, job_id: str) -> None:
        alarm = self._alarms.get(job_id)
        if alarm is not None:
            alarm.cancel()
            self._alarms[job_id] = None

    def _ring(self, job_id: str) -> None:
        with self._lock:
            if self._followers[job_id] > 0 or self._alarms.get(job_id) is None:
                return
            rest = self._looks.get(job_id, -LOOKED) + LOOKED - time.monotonic()
            if rest > 0:
                self._set(job_id, rest)
                return
            self._alarms.pop(job_id)
            self._looks.pop(job_id, None)
        self._left(job_id)


class SharedPresence:
    """The same of one process of several. ``stay`` writes down until when jobs are not to end, by their names; it is
    told of jobs that do not end with their page too."""

    def __init__(self, stay: Callable[[Mapping[str, float]], None]) -> None:
        self._stay = stay
        self._lock = threading.Lock()
        self._followers: Counter[str] = Counter()
        self._looks: dict[str, float] = {}  # since the last time, and until when each counts
        self._closing = threading.Event()
        threading.Thread(target=self._renew, name="presence", daemon=True).start()

    def watch(self, job_id: str) -> None:
        """From now on this job ends when nobody follows it; whoever asked for it has a moment to begin."""
        self._stay({job_id: time.time() + PATIENCE})

    def look(self, job_id: str) -> None:
        """Somebody looks at the job at this moment."""
        with self._lock:
            self._looks[job_id] = time.time() + LOOKED

    def forget(self, job_id: str) -> None:
        """Its row says that it goes on whoever leaves."""

    @contextmanager
    def here(self, job_id: str) -> Iterator[None]:
        """Somebody follows the job for the length of the block."""
        with self._lock:
            self._followers[job_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._followers -= Counter((job_id,))

    def close(self) -> None:
        self._closing.set()

    def _renew(self) -> None:
        while not self._closing.wait(RENEWED):
            with self._lock:
                until, self._looks = self._looks, {}
                until |= {job_id: time.time() + PATIENCE + RENEWED for job_id in self._followers if job_id not in until}
            try:
                if until:
                    self._stay(until)
            except OperationalError as error:  # the next time; there is some time to spare
                log.warning("that somebody is there cannot be written down now: %s", error)
