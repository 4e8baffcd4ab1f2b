"""How many devices a cluster that can grow is asked for: as many as what waits could use, and back again.

Decides alone, on plain numbers; machines are for Ray's autoscaler to start and to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Growing:
    """``most`` devices, 0: the cluster is as large as it is; ``least`` also while nothing waits. Each takes ``places``
    jobs at a time."""

    most: int
    least: int
    places: int

    @property
    def grows(self) -> bool:
        return self.most > 0

    def wanted(self, devices: int, unplaced: int) -> int:
        """How many devices there should be, ``devices`` being there and ``unplaced`` jobs finding no place."""
        return max(self.least, min(self.most, devices + ceil(unplaced / self.places)))

    def spare(self, devices: int) -> int:
        """How many may go, once they have had nothing to do for long."""
        return max(0, devices - self.least) if self.grows else 0
