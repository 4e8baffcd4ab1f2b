"""Which pictures of a data set are nearest to a made one: did the network learn, or learn by heart?

Distances are Euclidean, in bytes a pixel, between pictures averaged over 2 x 2 pixels, so that one moved by a pixel
still counts as near. Knows pictures; not where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ASKED = 400  # pictures of the set that the yardstick is taken from
CHUNK = 4096


@dataclass(frozen=True)
class Neighbours:
    """``rows`` of the nearest pictures, nearest first, their ``distances``; ``usual`` is that of real neighbours."""

    rows: tuple[int, ...]
    distances: tuple[float, ...]
    usual: float

    @property
    def ratio(self) -> float:
        """Distance of the nearest one over the usual distance: near 0 it is a copy, at 1 as far as real ones are."""
        return self.distances[0] / max(self.usual, 1e-6)


@torch.no_grad()
def neighbours(picture: Tensor, images: Tensor, count: int = 8) -> Neighbours:
    """The ``count`` pictures of ``images`` uint8 (N, C, S, S) nearest to ``picture`` uint8 (C, S, S).

    ``usual`` is the median distance of a picture of the set to the nearest other one, over ``ASKED`` of them.
    """
    nearest = _distances(picture[None], images)[0].topk(min(count, len(images)), largest=False)
    rows = torch.linspace(0, len(images) - 1, min(ASKED, len(images)), device=images.device).long()
    apart = _distances(images[rows], images)
    apart[torch.arange(len(rows)), rows] = torch.inf  # of itself
    usual = apart.min(1).values
    return Neighbours(
        tuple(nearest.indices.tolist()), tuple(nearest.values.tolist()), float(usual[usual.isfinite()].median())
    )


def _distances(some: Tensor, images: Tensor) -> Tensor:
    """(M, N) between M and N pictures, root of the mean square over pixels."""
    seen = _seen(some)
    parts = [torch.cdist(seen, _seen(images[at : at + CHUNK])) for at in range(0, len(images), CHUNK)]
    found: Tensor = torch.cat(parts, 1) / seen.shape[1] ** 0.5
    return found


def _seen(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures.float(), 2).flatten(1)
