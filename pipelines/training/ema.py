"""The averaged generator: what is shown and kept, while the live one jitters.

Knows decay with warm-up, so that the first seconds of a training are not shown through the noise it began with.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

LONGEST = 0.995

N = TypeVar("N", bound=nn.Module)


def decay(updates: int, longest: float = LONGEST) -> float:
    """min(longest, (1 + n) / (10 + n)) after ``updates`` = n earlier ones (TensorFlow's ExponentialMovingAverage)."""
    return min(longest, (1 + updates) / (10 + updates))


def averaged_copy(live: N) -> N:
    """A frozen copy in evaluation mode, to be kept up by ``Averaging``."""
    return copy.deepcopy(live).requires_grad_(False).eval()


class Averaging:
    """Keeps ``averaged`` up with ``live``: weights and the statistics of batch norms alike; counters are copied.

    Statistics that were those of the live weights would not fit the averaged ones. The tensors are looked up once:
    both networks must keep them, and change what is in them only.
    """

    def __init__(self, averaged: nn.Module, live: nn.Module) -> None:
        pairs = list(zip(averaged.state_dict().values(), live.state_dict().values(), strict=True))
        self._old = [old for old, _ in pairs if old.is_floating_point()]
        self._new = [new for _, new in pairs if new.is_floating_point()]
        self._counters = [(old, new) for old, new in pairs if not old.is_floating_point()]

    @torch.no_grad()
    def update(self, keep: float) -> None:
        """averaged = keep * averaged + (1 - keep) * live."""
        torch._foreach_lerp_(self._old, self._new, 1.0 - keep)
        for old, new in self._counters:
            old.copy_(new)
