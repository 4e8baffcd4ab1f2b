"""Says on the curves what the balance helpers did, now and then: each speaks once in a few seconds at most."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pipelines.base import Mark
from pipelines.training.balance import AHEAD
from pipelines.training.loop import Loop
from pipelines.training.marks import mark

EVERY = 5.0  # seconds on the wall


class Helpers:
    """Those of the training that ``loop`` is."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._said = {"rate": -EVERY, "updates": -EVERY}

    def told(self) -> Iterator[Mark]:
        """What has been done since each last spoke, where it is time to say so."""
        balance = self._loop.recipe.balance
        if balance.turned is not None and self._due("rate"):
            yield self._rate(balance.turned)
            balance.turned = None
        if (balance.skipped or balance.repeated) and self._due("updates"):
            if balance.skipped:
                yield mark(self._loop, "skipped_d", "D is far ahead: {count} updates left out", count=balance.skipped)
            if balance.repeated:
                yield mark(self._loop, "repeated_d", "D is behind: {count} updates more", count=balance.repeated)
            balance.skipped = balance.repeated = 0

    def _rate(self, right: float) -> Mark:
        share, rate = round(100 * right), f"{self._loop.recipe.rate('d'):.3g}"
        if right > AHEAD:
            return mark(
                self._loop, "rate_down", "D tells {share} % apart: its rate halved to {rate}", share=share, rate=rate
            )
        return mark(
            self._loop, "rate_up", "D tells {share} % apart: its rate doubled to {rate}", share=share, rate=rate
        )

    def _due(self, name: str) -> bool:
        now = time.monotonic()
        due = now - self._said[name] >= EVERY
        if due:
            self._said[name] = now
        return due
