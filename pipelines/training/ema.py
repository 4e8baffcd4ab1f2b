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
    """A frozen copy in evaluation mode, to be kept up by ``average``."""
    return copy.deepcopy(live).requires_grad_(False).eval()


@torch.no_grad()
def average(averaged: nn.Module, live: nn.Module, keep: float) -> None:
    """averaged = keep * averaged + (1 - keep) * live, for weights and for the statistics of batch norms alike.

    Statistics that were those of the live weights would not fit the averaged ones. Counters are copied.
    """
    old, new = list(averaged.state_dict().values()), list(live.state_dict().values())
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1.0 - keep)
    for a, b in zip(old, new, strict=True):
        if not a.is_floating_point():
            a.copy_(b)
