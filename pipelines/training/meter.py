"""Keeps the losses of many steps on the device and reads them in one go, so that no step waits for the host.

Knows arrays, rates and how large gradients are. Knows neither the networks nor who looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CAPACITY = 512


@torch.no_grad()
def gradient_norms(networks: Iterable[Sequence[Tensor]]) -> Tensor:
    """The Euclidean length of all gradients of each network's weights together, (networks,), on their device.

    Of the last update, since a gradient stays until the next one is asked for; what a penalty adds is in it.
    """
    norms = []
    for weights in networks:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        norms.append(nn.utils.get_total_norm(gradients) if gradients else weights[0].new_zeros(()))
    return torch.stack(norms)


@dataclass(frozen=True)
class Readings:
    """``values[i]`` (one per series) belongs to ``steps[i]`` and ``seconds[i]``."""

    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def spike(self, limits: tuple[float, ...]) -> int | None:
        """The first step with a value that is no number or lies beyond its series' limit; None where all are sound."""
        for step, values in zip(self.steps, self.values, strict=True):
            if any(not math.isfinite(value) or abs(value) > limit for value, limit in zip(values, limits, strict=True)):
                return step
        return None

    def series(self, names: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
        """By name, as the event carries them."""
        return dict(zip(names, zip(*self.values, strict=True), strict=True))


class Meter:
    """A buffer of ``CAPACITY`` steps by ``width`` values on ``device``."""

    def __init__(self, width: int, device: torch.device) -> None:
        self._buffer = torch.empty(CAPACITY, width, device=device)
        self._steps: list[int] = []
        self._seconds: list[float] = []

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def full(self) -> bool:
        return len(self) == CAPACITY

    def add(self, step: int, seconds: float, values: Tensor) -> None:
        """Notes ``values`` (width,) of ``step`` without waiting for them. Raises ``IndexError`` when full."""
        self._buffer[len(self)].copy_(values)
        self._steps.append(step)
        self._seconds.append(seconds)

    def read(self) -> Readings:
        """All since the last read; waits for the device."""
        rows = self._buffer[: len(self)].tolist()
        readings = Readings(tuple(self._steps), tuple(self._seconds), tuple(tuple(row) for row in rows))
        self.clear()
        return readings

    def clear(self) -> None:
        self._steps.clear()
        self._seconds.clear()
