"""How many devices a cluster that can grow is asked for: as many as what waits could use, and back again.

Decides alone, on plain numbers; machines are for Ray's autoscaler to start and to stop.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Growing:
    """``most`` devices, 0: the cluster is as large as it is; ``least`` also while nothing waits."""

    most: int
    least: int

    @property
    def grows(self) -> bool:
        return self.most > 0

    def wanted(self, devices: int, more: int) -> int:
        """How many devices there should be, ``devices`` being there and ``more`` being of use."""
        return max(self.least, min(self.most, devices + more))

    def spare(self, devices: int) -> int:
        """How many may go, once they have had nothing to do for long."""
        return max(0, devices - self.least) if self.grows else 0
