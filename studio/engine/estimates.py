"""How long jobs take, learned from those that ended: for an honest place in the line, never as a promise.

Knows kinds, models and device seconds. A training with a time budget says itself how long it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.registry import registration
from studio.engine.job import Job

#: what a job of a kind nobody has seen is taken for where the line has to be put in order all the same
UNKNOWN = 5.0
NEWEST = 0.3


class Estimates:
    """Device seconds of a job by kind and model, lately."""

    def __init__(self) -> None:
        self._typical: dict[tuple[str, str], float] = {}

    def learn(self, job: Job, seconds: float) -> None:
        for key in ((job.kind, job.model), (job.kind, "")):
            before = self._typical.get(key)
            self._typical[key] = seconds if before is None else (1 - NEWEST) * before + NEWEST * seconds

    def expected(self, job: Job) -> float | None:
        """What a job takes from now on that has not begun, or is to go on; None where nothing like it has ended yet."""
        budget = self._budget(job)
        if budget is not None:
            return max(0.0, budget - job.device_seconds)
        return self._typical.get((job.kind, job.model), self._typical.get((job.kind, "")))

    def left(self, job: Job, used: float, seen: Mapping[str, Any]) -> float | None:
        """What is left of a running job that has ``used`` so much in all; ``seen`` are its latest figures.

        Whoever has taken longer than usual is not about to end: a quarter of what it has taken is expected of it yet.
        """
        if seen.get("left") is not None:
            return float(seen["left"])
        expected = self.expected(job)
        spent = max(0.0, used - job.device_seconds)
        return None if expected is None else max(expected - spent, spent / 4)

    def _budget(self, job: Job) -> float | None:
        """The seconds that a training was asked to take."""
        if registration(job.kind).interactive:
            return None
        seconds = job.request.get("seconds")
        return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else None
