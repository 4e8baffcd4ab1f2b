"""What keeps generator and discriminator from leaving each other behind by itself, where a person switched that on.

Goes by how many pictures the discriminator tells right, step by step. Its state is plain numbers and a function of the
steps alone, so that a resume goes on with it; what it did is counted until somebody says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WINDOW = 50  # steps over which a rate is judged
AHEAD, BEHIND = 0.97, 0.55  # of pictures told right: the discriminator has won; it tells nothing apart
LEAST, MOST = 1 / 64, 4.0  # of the discriminator's own rate
GLANCE = 10  # steps over which a single update is judged
EASY, HARD = 0.9, 0.6


@dataclass
class Balance:
    """``factor`` is what the discriminator's learning rate is multiplied by; ``told`` how right it was lately."""

    told: list[float] = field(default_factory=list)
    factor: float = 1.0
    #: what was done and not yet said: the share told right when the rate last changed, and updates
    turned: float | None = None
    skipped: int = 0
    repeated: int = 0

    def watch(self, right: float, rates: bool) -> None:
        """After a step in which the discriminator told the share ``right``. ``rates``: its learning rate is to follow.

        It is halved above ``AHEAD`` and doubled below ``BEHIND``, and then judged anew over a whole window.
        """
        self.told = [*self.told, right][-WINDOW:]
        if not rates or len(self.told) < WINDOW:
            return
        mean = sum(self.told) / WINDOW
        wanted = self.factor / 2 if mean > AHEAD else self.factor * 2 if mean < BEHIND else self.factor
        wanted = min(MOST, max(LEAST, wanted))
        if wanted != self.factor:
            self.factor, self.turned, self.told = wanted, mean, []

    def updates(self) -> int:
        """Of the discriminator in the next step: none where it is far ahead, two where it falls behind."""
        lately = self.told[-GLANCE:]
        if len(lately) < GLANCE:
            return 1
        mean = sum(lately) / GLANCE
        self.skipped += mean > EASY
        self.repeated += mean < HARD
        return 0 if mean > EASY else 2 if mean < HARD else 1

    def state(self) -> dict[str, Any]:
        return {"told": list(self.told), "factor": self.factor}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to ``state``; an empty one is the beginning. What was not yet said never happened."""
        self.told, self.factor = list(state.get("told", ())), state.get("factor", 1.0)
        self.turned, self.skipped, self.repeated = None, 0, 0
