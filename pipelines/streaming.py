"""Turns work that calls back into events that are pulled.

A library that runs a whole loop and calls back after each step cannot yield from inside the call. Here it runs in a
thread of its own, which moves only while somebody waits for the next event: the two take strict turns, as a
generator and its caller do. So the work sees no more concurrency than a generator would, and ends where it stands
when nobody wants more events. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeAlias

from pipelines.base import Event

Emit: TypeAlias = Callable[[Event], None]


class _Closed(BaseException):
    """Raised inside ``emit`` once nobody reads on. A BaseException: no library's ``except Exception`` may keep it."""


def events_of(work: Callable[[Emit], None]) -> Iterator[Event]:
    """Runs ``work(emit)`` in a thread and yields what it emits; what it raises is raised here.

    Closing the iterator raises inside the ``emit`` the work is waiting in, and returns when the work has ended.
    An event costs about 10 microseconds.
    """
    events: SimpleQueue[Event | None] = SimpleQueue()
    wanted: SimpleQueue[bool] = SimpleQueue()
    raised: list[BaseException] = []

    def emit(event: Event) -> None:
        events.put(event)
        if not wanted.get():
            raise _Closed

    def body() -> None:
        try:
            work(emit)
        except _Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - all of it is raised again where the events are read
            raised.append(error)
        finally:
            events.put(None)

    thread = threading.Thread(target=body, name=f"{threading.current_thread().name}-work", daemon=True)
    thread.start()
    try:
        while (event := events.get()) is not None:
            yield event
            wanted.put(True)
    finally:
        wanted.put(False)
        thread.join()
    if raised:
        raise raised.pop()
