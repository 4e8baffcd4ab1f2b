"""Compiled networks, where that pays within a minute: on a GPU, whose small kernels take longer to start than to run.

``torch.compile`` takes its time before it saves any, and how much it saves depends on recipe, width and machine. So a
trial beside the training, on networks that are thrown away, measures both; the training goes on with whatever a
minute favours, and a mark says which. What was found is remembered as long as the process lives. Penalties go through
the networks as they are written: they need derivatives of derivatives, which compiled networks do not have. On a CPU
nothing is tried: there compiled networks made 0.7 times the steps of these, whose layers are laid out for it.

Knows loops and clocks; nothing of turns or events.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.data import DataSet
from pipelines.training.loop import Loop

BACKEND = "inductor"
MINUTE = 60.0
#: a training of fewer steps is over before anything is saved
FEWEST = 1_000
#: steps before the first measured one, and measured ones: enough for every kind of step of a lazy penalty
WARM, MEASURED = 20, 60


@dataclass(frozen=True)
class Trial:
    """Seconds a step, as written and compiled, and the seconds that compiling takes before the first such step."""

    written: float
    compiled: float
    delay: float

    @property
    def pays(self) -> bool:
        """Whether more steps are made in a minute that begins with compiling."""
        return (MINUTE - self.delay) / self.compiled > MINUTE / self.written


Key = tuple[object, ...]
_found: dict[Key, Trial] = {}


def worth_a_trial(request: TrainingRequest, device: Device) -> bool:
    """On a CUDA device, where a training is not limited to less than a minute or to few steps."""
    return device.kind == "cuda" and not (0 < request.seconds < MINUTE or 0 < request.steps < FEWEST)


def trial(
    request: TrainingRequest,
    device: Device,
    data: DataSet,
    clock: Callable[[], float] = time.perf_counter,
    backend: str = BACKEND,
) -> Trial:
    """What compiling does for ``request`` on ``device``; known at once the second time."""
    key = (
        device.name,
        backend,
        data.sha256,
        *(getattr(request, name) for name in ("recipe", "width", "batch", "latent")),
    )
    if key not in _found:
        loop = Loop(request, device, data)
        _steps(loop, WARM)
        written = _seconds(loop, clock)
        began = clock()
        loop.recipe.compile(backend)
        _steps(loop, WARM)
        delay = clock() - began
        compiled = _seconds(loop, clock)
        _found[key] = Trial(written, compiled, max(0.0, delay - WARM * compiled))
    return _found[key]


def _seconds(loop: Loop, clock: Callable[[], float]) -> float:
    began = clock()
    _steps(loop, MEASURED)
    return (clock() - began) / MEASURED


def _steps(loop: Loop, count: int) -> None:
    """Made and computed: reading waits for the device."""
    for _ in range(count):
        loop.advance()
        if loop.must_read:
            loop.read()
    loop.read()
