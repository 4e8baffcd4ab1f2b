"""Turns work that calls back into events that are pulled.

A library that runs a whole loop and calls back after each step cannot yield from inside the call. Here it runs in a
greenlet, a stack of its own on the reader's thread, which moves only while somebody waits for the next event: as a
generator and its caller do. A thread of its own would do too, but OpenMP keeps a team of workers for each thread that
computes, and with more of them than cores none waits awake for its next piece any more: a sticker took 1.6 times as
long. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import get_ident
from typing import TypeAlias

from greenlet import getcurrent, greenlet

from pipelines.base import Event

Emit: TypeAlias = Callable[[Event], None]


class _Closed(BaseException):
    """Raised inside ``emit`` once nobody reads on. A BaseException: no library's ``except Exception`` may keep it."""


def events_of(work: Callable[[Emit], None]) -> Iterator[Event]:
    """Runs ``work(emit)`` and yields what it emits; what it raises is raised here.

    All of it has to be read on one thread. Closing the iterator raises inside the ``emit`` the work is waiting in, and
    returns when the work has ended. What a library keeps by thread (torch: whether gradients are wanted) is as the
    work left it while the reader has an event in hand, unless ``work`` sees to it.

    An iterator that nobody closed may be found by the collector in another thread, which cannot switch to the work: it
    is let go of, and ends once its own thread switches next.
    """

    def body() -> None:
        with suppress(_Closed):
            work(emit)

    def emit(event: Event) -> None:
        reader.switch(event)

    worker, home = greenlet(body), get_ident()
    try:
        while True:
            worker.parent = reader = getcurrent()
            event = worker.switch()
            if worker.dead:
                return
            yield event
    finally:
        if not worker.dead and get_ident() == home:
            worker.parent = getcurrent()
            worker.throw(_Closed)
