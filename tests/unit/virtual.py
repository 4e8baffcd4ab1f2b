"""Threads without threads: greenlets on a clock of their own, one at a time, in an order that a seed decides.

For code that waits on a ``threading.Condition``: ``VirtualCondition`` behaves like one and lets anybody go first at
each lock. Time stands still while anybody can run, then jumps to whoever sleeps least; so a run depends on nothing but
its seed. Where nobody can run and nobody sleeps, somebody's wake-up was lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType
from typing import Any

from greenlet import getcurrent, greenlet


class AsleepError(AssertionError):
    """Everybody waits for somebody."""


class World:
    """``spawn`` what is to run side by side, then ``run``. ``watch`` is called each time before the clock moves."""

    def __init__(self, seed: int, watch: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self._random = random.Random(seed)
        self._watch = watch
        self._ready: list[greenlet] = []
        self._sleeping: dict[greenlet, float] = {}
        self._waiting: set[greenlet] = set()
        self._main = getcurrent()

    def clock(self) -> float:
        return self.now

    def spawn(self, work: Callable[..., None], *args: Any, at: float = 0.0) -> None:
        self._sleeping[greenlet(lambda: work(*args), self._main)] = at

    def run(self) -> None:
        """To everybody's end; what one of them raises is raised here."""
        while self._ready or self._sleeping or self._waiting:
            if self._ready:
                self._ready.pop(self._random.randrange(len(self._ready))).switch()
                continue
            self._watch()
            if not self._sleeping:
                raise AsleepError(f"{len(self._waiting)} wait and nobody is left to wake them")
            self.now = max(self.now, min(self._sleeping.values()))
            for one in [one for one, until in self._sleeping.items() if until <= self.now]:
                del self._sleeping[one]
                self._ready.append(one)

    # ------------------------------------------------------------- what those who run call

    def sleep(self, seconds: float) -> None:
        self._sleeping[getcurrent()] = self.now + seconds
        self._main.switch()

    def give_way(self) -> None:
        self._ready.append(getcurrent())
        self._main.switch()

    def wait(self) -> None:
        self._waiting.add(getcurrent())
        self._main.switch()

    def wake(self, others: list[greenlet]) -> None:
        for one in others:
            self._waiting.discard(one)
            self._ready.append(one)


class VirtualCondition:
    """The part of ``threading.Condition`` that is used: with, wait, notify_all."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._taken = False
        self._queue: dict[greenlet, None] = {}

    def __enter__(self) -> VirtualCondition:
        self._world.give_way()
        while self._taken:
            self._world.give_way()
        self._taken = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken = False

    def wait(self) -> None:
        self._taken = False
        self._queue[getcurrent()] = None
        self._world.wait()
        while self._taken:
            self._world.give_way()
        self._taken = True

    def notify_all(self) -> None:
        woken, self._queue = self._queue, {}
        self._world.wake(list(woken))
