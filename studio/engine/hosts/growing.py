"""How many devices a cluster that can grow is asked for: by how much waits, and back again once it is calm.

Decides alone, on plain numbers and a clock; machines are for Ray's autoscaler to start and to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

#: seconds for which nothing waited, after which devices that have nothing to do are given back
CALM_SECONDS = 300.0


class Growing:
    """``most`` devices, 0: the cluster is as large as it is. Each takes ``places`` jobs at a time."""

    def __init__(self, most: int, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._places = places
        self._clock = clock
        self._since = clock()

    @property
    def grows(self) -> bool:
        return self._most > 0

    def wanted(self, devices: int, waiting: int) -> int:
        """How many devices there should be, ``devices`` being there and ``waiting`` jobs finding no place."""
        if waiting:
            self._since = self._clock()
        return max(1, min(self._most, devices + ceil(waiting / self._places)))

    @property
    def calm(self) -> bool:
        """Whether devices that have nothing to do may go."""
        return self._clock() - self._since >= CALM_SECONDS
