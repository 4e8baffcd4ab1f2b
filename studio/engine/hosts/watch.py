"""Whether a worker still lives, from what it says: once a second who holds the device and how many steps there were.

Knows messages and a clock. Any word of the job that holds the device is life, so loading goes on for as long as it
reports; a device that nobody holds may rest. Does not kill anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from studio.engine.messages import Emitted, Ended, Message, Ready, Vitals

#: seconds a worker may take to import torch and find its device, where ``patience`` is less
STARTING = 120.0


class Watch:
    """One worker's. ``patience`` in seconds; 0: it may be silent for ever."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._ready = False
        self._pulse: tuple[str | None, int] = (None, 0)
        self._alive = clock()  # when there was last a step, or nobody whose step could be waited for

    def hear(self, message: Message) -> None:
        """Takes a message of the worker."""
        match message:
            case Ready():
                self._ready = True
                self._alive = self._clock()
            case Vitals(holder=holder, beats=beats):
                if holder is None or (holder, beats) != self._pulse:
                    self._alive = self._clock()
                self._pulse = (holder, beats)
            case Emitted(job_id=job_id) | Ended(job_id=job_id) if job_id == self._pulse[0]:
                self._alive = self._clock()

    def excuse(self, seconds: float) -> None:
        """For as long as nobody listened to the worker, it may have waited to be heard."""
        self._alive += seconds

    @property
    def hung(self) -> bool:
        limit = self._patience if self._ready else max(self._patience, STARTING)
        return self._patience > 0 and self._clock() - self._alive > limit
