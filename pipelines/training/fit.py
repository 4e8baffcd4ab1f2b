"""Width, batch and schedule for a time budget, from a trial of about two seconds on this very machine.

On a slow machine steps are what counts, so pictures a step are halved; on a fast one there is time for wider networks.
From the steps that there will be follows how long to average over; and because the end of the run is known, the
learning rates fall towards it, which lets the networks settle where at full rate they would only circle.
What was chosen becomes part of the training's request, so that a resume or a branch goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.base import Scalar
from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.data import DataSet
from pipelines.training.loop import Loop

TRIAL, WARM = 0.5, 2  # seconds of one measurement, and steps before it
#: with fewer steps than this garments are hardly there; from ``ENOUGH`` on wider networks show more than further steps
FEW, ENOUGH = 400, 1_500
WIDEST, SMALLEST = 128, 16
#: the averaged network remembers this share of the run's steps, between these bounds
REMEMBERED, SHORTEST, LONGEST = 0.08, 0.98, 0.999
COOLING = 0.3


@dataclass(frozen=True)
class Choice:
    """``width`` and ``batch``, with which this machine makes ``rate`` steps a second, for a run of ``seconds``."""

    width: int
    batch: int
    rate: float
    seconds: float

    @property
    def averaging(self) -> float:
        """1 - 1/n for a memory of n steps."""
        kept = 1 - 1 / max(1.0, REMEMBERED * self.rate * self.seconds)
        return round(min(LONGEST, max(SHORTEST, kept)), 4)

    @property
    def settings(self) -> dict[str, Scalar]:
        """All that follows, by field of the request."""
        return {"width": self.width, "batch": self.batch, "averaging": self.averaging, "cooling": COOLING}


def choose(request: TrainingRequest, measure: Callable[[int, int], float]) -> Choice:
    """From steps a second as ``measure(width, batch)`` finds them: at most a width of 128, or half the batch."""
    width, batch, seconds = request.width, request.batch, request.seconds
    rate = measure(width, batch)
    if rate * seconds < FEW and batch > SMALLEST:
        batch = max(SMALLEST, batch // 2)
        return Choice(width, batch, measure(width, batch), seconds)
    while rate * seconds >= 2 * ENOUGH and 2 * width <= WIDEST:
        wider = measure(2 * width, batch)
        if wider * seconds < ENOUGH:
            break
        width, rate = 2 * width, wider
    return Choice(width, batch, rate, seconds)


def trial(request: TrainingRequest, device: Device, data: DataSet | None, between: Callable[[], None]) -> Choice:
    """What suits ``request`` on ``device``; calls ``between`` after each step. What was tried is thrown away."""

    def measure(width: int, batch: int) -> float:
        loop = Loop(request.model_copy(update={"width": width, "batch": batch}), device, data)
        for _ in range(WARM):
            loop.advance()
        loop.read()
        began = loop.seconds
        while loop.seconds < began + TRIAL:
            loop.advance()
            if loop.must_read:
                loop.read()
            between()
        loop.read()
        return (loop.step - WARM) / (loop.seconds - began)

    return choose(request, measure)
