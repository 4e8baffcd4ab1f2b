"""Work that several threads push on in turn, a piece at a time.

A library that runs a whole loop and calls back after each step keeps its state on a stack, and a stack belongs to one
thread. Here that is a thread of its own, which moves only while somebody waits for its next rest: who that is may
change from rest to rest. ``pipelines.streaming`` does the same for a single reader without a thread. Knows nothing of
models.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

log = logging.getLogger(__name__)

Rest: TypeAlias = Callable[[], None]


class _Dropped(BaseException):
    """Raised inside ``rest`` once nobody pushes on. A BaseException: no library's ``except Exception`` may keep it."""


class Relay:
    """``work(rest)`` in a thread of its own; it calls ``rest`` wherever somebody else may push it on."""

    def __init__(self, work: Callable[[Rest], None]) -> None:
        self._work = work
        self._thread: threading.Thread | None = None
        self._go, self._rested = threading.Semaphore(0), threading.Semaphore(0)
        self._dropped = False
        self.ended = False
        #: whether it ended by an exception, which is in the log; kept here it would keep the tensors of its frames
        self.failed = False

    def go_on(self) -> None:
        """Lets the work go on until it next rests, or ends. One thread at a time."""
        if self.ended:
            return
        if self._thread is None:
            name = f"{threading.current_thread().name}-relay"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._rested.acquire()

    def drop(self) -> None:
        """Ends the work where it rests; returns when it has let go of everything."""
        self._dropped = True
        if self._thread is not None and not self.ended:
            self._go.release()
            self._thread.join()
        self.ended = True

    def _run(self) -> None:
        try:
            self._work(self._rest)
        except _Dropped:
            pass
        except Exception:
            self.failed = True
            log.warning("work for several came to nothing", exc_info=True)
        finally:
            self.ended = True
            self._rested.release()

    def _rest(self) -> None:
        self._rested.release()
        self._go.acquire()
        if self._dropped:
            raise _Dropped
