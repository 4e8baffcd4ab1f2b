"""What an engine that outlives its listeners has to say: numbered, and kept until it is known to be written down.

Knows messages. Does not know who listens, or over what. What is only of the moment (how the device is, that it is up)
has no number: the newest is told to whoever comes. Where nobody listens for long, senders wait rather than fill memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from studio.engine.messages import Ended, Message, Ready, Run, Vitals

#: messages that may be kept; a training that says five things a second fills it in three hours
MOST = 50_000


class Outbox:
    """``news`` is called, from any thread, when there is something to tell. Numbers count from 1."""

    def __init__(self, news: Callable[[], None] = lambda: None, most: int = MOST) -> None:
        self._news = news
        self._most = most
        self._changed = threading.Condition()
        self._kept: deque[tuple[int, Message]] = deque()
        self._last = 0
        self._jobs: dict[str, int] = {}  # how many ends of each are to be written down; in the order of coming
        self._ready: Ready | None = None
        self._vitals: Vitals | None = None
        self._beats = 0  # how often ``_vitals`` or ``_ready`` were new

    def runs(self, order: Run) -> None:
        """The job is here from now on, until its end is acknowledged. One that is begun again may come before that."""
        with self._changed:
            self._jobs[order.job_id] = self._jobs.get(order.job_id, 0) + 1

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs whose end nobody has written down yet."""
        with self._changed:
            return tuple(self._jobs)

    def put(self, message: Message) -> None:
        """Takes a message; waits while as many are kept as may be."""
        with self._changed:
            if isinstance(message, (Ready, Vitals)):
                self._now(message)
            else:
                self._changed.wait_for(lambda: len(self._kept) < self._most)
                self._last += 1
                self._kept.append((self._last, message))
        self._news()

    def _now(self, message: Ready | Vitals) -> None:
        self._beats += 1
        if isinstance(message, Ready):
            self._ready = message
        else:
            self._vitals = message

    def after(self, number: int, beats: int, most: int = 256) -> tuple[list[tuple[int, Message]], int]:
        """Up to ``most`` kept messages above ``number``, and what is of the moment, as number 0, where that is newer
        than ``beats``; then how new it is."""
        with self._changed:
            now: list[Message] = [one for one in (self._ready, self._vitals) if one and self._beats > beats]
            skipped = max(0, number + 1 - self._kept[0][0]) if self._kept else 0
            kept = [self._kept[at] for at in range(skipped, min(len(self._kept), skipped + most))]
            return [*((0, message) for message in now), *kept], self._beats

    def acknowledge(self, number: int) -> None:
        """Everything up to ``number`` is written down."""
        with self._changed:
            while self._kept and self._kept[0][0] <= number:
                _, message = self._kept.popleft()
                if isinstance(message, Ended):
                    self._ended(message.job_id)
            self._changed.notify_all()

    def _ended(self, job_id: str) -> None:
        self._jobs[job_id] -= 1
        if not self._jobs[job_id]:
            del self._jobs[job_id]
