"""The bare training loop: steps, seconds, readings, state. Knows neither turns, files nor events.

Seconds are those of the steps and of reading their losses (where a GPU is waited for). Whatever happens between two
calls - a pause, a wait for somebody else, a checkpoint on its way to the disk - takes none of the time budget.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from pipelines.base import Scalar
from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.checkpoints import Position
from pipelines.training.data import DataSet, Order, load_dataset
from pipelines.training.gradient_names import gradient_series
from pipelines.training.meter import Meter, Readings, gradient_norms
from pipelines.training.recipe_names import recipe_info
from pipelines.training.recipes import build_recipe
from pipelines.training.showing import Showing


class Loop:
    """A training at some step. ``advance`` makes one more; ``state`` and ``restore`` carry it through a restart."""

    def __init__(self, request: TrainingRequest, device: Device, data: DataSet | None = None) -> None:
        if request.seed < 0:
            raise ValueError("the seed is -1, which asks for a fresh one; choose it before training begins")
        self.request = request
        self.data = (load_dataset(request.dataset) if data is None else data).to(device.torch_device)
        self.recipe = build_recipe(request, self.data, device)
        self._order = Order(len(self.data), request.batch, self.recipe.randomness)
        self._learning = [list(self.recipe.modules[name].parameters()) for name in self.recipe.optimizers]
        #: what ``read`` gives of each step: the recipe's own series, then how large the gradients were
        self.series = (*recipe_info(request.recipe).series, *gradient_series(self.recipe.optimizers))
        self._meter = Meter(len(self.series), device.torch_device)
        self.step = 0
        self.seconds = 0.0
        self.rate = 1.0
        self.rollbacks = 0
        self.steered: dict[str, Scalar] = {}
        self.lone = 0

    def advance(self) -> None:
        """One step. Reads nothing back from the device."""
        began = time.perf_counter()
        self.recipe.dials.share = self.share
        values = self.recipe.step(self.step, self._order.rows(self.step))
        values = torch.cat([values, gradient_norms(self._learning)])
        self.step += 1
        self.seconds += time.perf_counter() - began
        self._meter.add(self.step, self.seconds, values)

    def alone(self, side: str) -> None:
        """One update of ``side``, g or d, between two steps; the other stands still. It is in no curve."""
        began = time.perf_counter()
        self.recipe.dials.share = self.share
        self.recipe.alone(side, self.step, self.lone)
        self.lone += 1
        self.seconds += time.perf_counter() - began

    def steer(self, changes: Mapping[str, Scalar]) -> None:
        """Settings that are others from the next step on. A learning rate counts as given, whatever slowed it."""
        self.steered = {**self.steered, **changes}
        self.recipe.dials.follow(self.settings)
        if "learning_rate" in changes:
            self.slow_down(1.0, self.rollbacks)

    @property
    def settings(self) -> TrainingRequest:
        """The request with everything that was steered since."""
        return self.request.model_copy(update=self.steered)

    @property
    def values(self) -> dict[str, Scalar]:
        """Where everything that may be steered stands."""
        settings, names = self.settings, recipe_info(self.request.recipe).steerable
        return {name: getattr(settings, name) for name in names} | {"learning_rate": settings.learning_rate * self.rate}

    @property
    def unread(self) -> int:
        """Steps whose losses have not been read."""
        return len(self._meter)

    @property
    def must_read(self) -> bool:
        """True when no further step fits without a read."""
        return self._meter.full

    def read(self) -> Readings:
        """The losses since the last read. On a GPU the wait for the steps under way is training time."""
        began = time.perf_counter()
        readings = self._meter.read()
        self.seconds += time.perf_counter() - began
        return readings

    @property
    def share(self) -> float:
        """How much of the budget is used, 0 to 1: of the time or of the steps, whichever is further."""
        of_time = self.seconds / self.request.seconds if self.request.seconds else 0.0
        of_steps = self.step / self.request.steps if self.request.steps else 0.0
        return min(1.0, max(of_time, of_steps))

    def left(self, rate: float) -> float | None:
        """Seconds to the end at ``rate`` steps per second; None while no rate is known and only steps are limited."""
        ends = []
        if self.request.seconds:
            ends.append(self.request.seconds - self.seconds)
        if self.request.steps and rate > 0:
            ends.append((self.request.steps - self.step) / rate)
        return max(0.0, min(ends)) if ends else None

    def show(self) -> Showing:
        """What the recipe shows of its averaged networks, on the CPU: pictures uint8 (N, S, S, C), or points."""
        return self.recipe.show().fetched()

    def state(self) -> tuple[Position, dict[str, Tensor]]:
        """Position and tensors on the CPU. On a CPU these are the live ones: write them before the next step."""
        request, steered = self.request.model_dump(), dict(self.steered)
        balance = self.recipe.balance.state()
        position = Position(self.step, self.seconds, request, self.rate, self.rollbacks, steered, self.lone, balance)
        return position, {name: tensor.detach().cpu() for name, tensor in self.recipe.state().items()}

    def restore(self, position: Position, tensors: Mapping[str, Tensor]) -> None:
        """Goes to where ``position`` and ``tensors`` were taken; what was not yet read is forgotten."""
        self.recipe.restore(tensors)
        self.step, self.seconds, self.lone = position.step, position.seconds, position.lone
        self.recipe.balance.restore(position.balance)
        self.steered = dict(position.steered)
        self.recipe.dials.follow(self.settings)
        self.slow_down(position.rate, position.rollbacks)
        self._meter.clear()

    def slow_down(self, rate: float, rollbacks: int) -> None:
        """Trains on at ``rate`` times the learning rate asked for."""
        self.rate, self.rollbacks = rate, rollbacks
        self.recipe.dials.slowed = rate


def is_sound(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every number is finite. A step may spoil the weights after the losses it reports were still fine.

    Looks at the sum of each tensor, in which one infinity or NaN survives, at a fifth of the cost of looking at all.
    """
    return all(bool(torch.isfinite(tensor.sum())) for tensor in tensors.values() if tensor.is_floating_point())
