"""The actor that holds one device's LocalEngine somewhere in a Ray cluster.

Knows the engine, its inbox and outbox and how it is listened to. Does not know who listens, and goes on when nobody
does; where nobody has for long and nothing is left to be told, it leaves the GPU to others. Brings torch in: only
actors import it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ray

from studio.engine.inbox import Inbox
from studio.engine.messages import Attached, Marked, Message, Order, Run
from studio.engine.options import EngineOptions
from studio.engine.outbox import Outbox
from studio.engine.version import PROTOCOL, build

#: seconds without a listener after which an engine that has nothing to do, and nothing to tell, is ended
IDLE_SECONDS = 900.0
#: a folder of the machine's own for copies of what lies in the storage, by the name of this variable there
FOLDER = "STUDIO_NODE_DATA"


class RayEngine:
    """One life of one engine. What it says is told again until it is acknowledged."""

    def __init__(self, options: EngineOptions) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s device %(levelname)s %(message)s")
        self._source = uuid.uuid4().hex
        self._wake: Callable[[], None] = lambda: None
        self._listener = 0
        self._heard_of = time.monotonic()
        self._outbox = Outbox(lambda: self._wake())
        self._inbox = Inbox()
        from studio.engine.local import LocalEngine  # brings torch in

        self._engine = LocalEngine(here(options), self._outbox.put)
        self._engine.start()
        threading.Thread(target=self._watch, name="idle", daemon=True).start()

    async def stream(self) -> AsyncIterator[list[Message | Marked] | dict[str, int]]:
        """What it is called and has, then all that was not acknowledged, then what comes, as it comes.

        Whoever listens last is listened to by nobody else: an earlier stream ends.
        """
        yield {"protocol": PROTOCOL}  # plain: whoever listens may know other messages than we do
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        self._listener += 1
        mine, number, beats = self._listener, 0, 0
        self._wake = lambda: _wake(loop, news)
        yield [Attached(self._source, self._outbox.jobs, build())]
        while self._listener == mine:
            news.clear()
            batch, beats = self._outbox.after(number, beats)
            if batch:
                number = max(number, batch[-1][0])
                yield [Marked(self._source, at, message) if at else message for at, message in batch]
            else:
                await news.wait()

    async def order(self, source: str, sender: str, orders: Sequence[tuple[int, Order]]) -> int:
        """Takes orders that are meant for this life of the engine; the number of the last that came."""
        if source == self._source:
            for order in self._inbox.take(sender, orders):
                if isinstance(order, Run):
                    self._outbox.runs(order)
                self._engine.order(order)
        return self._inbox.last(sender)

    async def acknowledge(self, source: str, number: int) -> None:
        self._heard_of = time.monotonic()
        if source == self._source:
            self._outbox.acknowledge(number)

    def _watch(self) -> None:
        """Leaves when it is needed no more."""
        while self._outbox.jobs or time.monotonic() - self._heard_of < IDLE_SECONDS:
            time.sleep(5)
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def here(options: EngineOptions) -> EngineOptions:
    """With a folder of this machine's own, where there is one for it."""
    own = os.environ.get(FOLDER)
    return replace(options, data=Path(own).resolve()) if own else options


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    loop.call_soon_threadsafe(news.set)
