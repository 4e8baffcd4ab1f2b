"""Paints by optimisation: the picture itself is what is learned (Gatys, Ecker and Bethge, CVPR 2016).

L-BFGS as in the paper, but from coarse to fine: where large strokes go is settled on a small picture, at a sixteenth
of the cost, and the full size only draws them out ("Controlling Perceptual Factors in Neural Style Transfer", Gatys et
al., CVPR 2017, section 6). It begins with the photo rather than with noise, and keeps the best picture it has seen.
Knows tensors; photos, previews and turns are for ``painters``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.style.features import Features
from pipelines.style.objective import Between, Objective, sized, wanted_grams
from pipelines.style.reckoning import plan

HISTORY = 10
#: a loss this many times the best is where a step without line search has gone astray
ASTRAY = 2.0


@dataclass(frozen=True)
class Step:
    """After evaluation ``number`` of ``total``: the best loss at this size, and its picture [1, 3, h, w] in 0..1."""

    number: int
    total: int
    loss: float
    best: Tensor


def optimised(
    features: Features,
    photo: Tensor,
    styles: Sequence[tuple[float, Tensor]],
    steps: int,
    between: Between,
    style_size: float = 1.0,
    coarse: bool = True,
) -> Iterator[Step]:
    """Paints ``photo`` [1, 3, height, width] in 0..1 like ``styles``, pictures with weights that add up to 1.

    A style picture is shown at the photo's size times ``style_size``. ``between`` is called after each evaluation, and
    after each tile of a large one; it may raise to stop. ``coarse``: small copies of the photo come first.
    """
    done, picture = 0, photo
    whole = (photo.shape[2], photo.shape[3], steps)
    for height, width, count in plan(*whole) if coarse else [whole]:
        shown = [(weight, _beside(style, max(height, width) * style_size)) for weight, style in styles]
        objective = Objective(features, sized(photo, height, width), wanted_grams(features, shown, between), between)
        start = sized(picture, height, width).clamp(0, 1)
        for loss, best in _descent(objective, start, count):
            done, picture = done + 1, best
            yield Step(done, steps, loss, picture)


def _beside(style: Tensor, edge: float) -> Tensor:
    """A style picture whose longer edge is ``edge``, never enlarged more than twice: that would show its pixels."""
    factor = min(edge / max(style.shape[2:]), 2.0)
    height, width = (max(8, round(side * factor)) for side in style.shape[2:])
    return sized(style, height, width)


def _descent(objective: Objective, start: Tensor, count: int) -> Iterator[tuple[float, Tensor]]:
    """``count`` evaluations by L-BFGS from ``start``; after each, the least loss so far and its picture."""
    picture = start.clone(memory_format=torch.contiguous_format)
    best, best_loss = picture.clone(), float("inf")
    optimiser = _fresh(picture)
    for _ in range(count):
        seen: list[float] = []

        def closure() -> float:
            picture.clamp_(0, 1)  # noqa: B023 - called before the loop goes on
            loss, picture.grad = objective(picture)  # noqa: B023
            seen.append(loss)  # noqa: B023
            nonlocal best, best_loss
            if loss < best_loss:
                best, best_loss = picture.clone(), loss  # noqa: B023
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        objective.between()
        if not seen[0] <= ASTRAY * best_loss:  # also where it is no number any more
            picture = best.clone(memory_format=torch.contiguous_format)
            optimiser = _fresh(picture)
        yield best_loss, best


def _fresh(picture: Tensor) -> torch.optim.LBFGS:
    """One evaluation a step, with a history that lasts over steps."""
    return torch.optim.LBFGS([picture], lr=1, max_iter=1, history_size=HISTORY, tolerance_grad=0, tolerance_change=0)
