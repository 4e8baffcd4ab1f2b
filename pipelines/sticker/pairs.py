"""Two drawings in one picture, so that "a cat and a cake" means something to the model. Knows tensors only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: edge of each of the two in a picture of 64
EDGE = 38


def pair(left: Tensor, right: Tensor) -> Tensor:
    """Premultiplied pictures [B, 4, 64, 64] in 0..1, twice -> the two side by side, the right one a little in front.

    ``over`` of Porter and Duff (1984): in front + (1 - its alpha) * behind.
    """
    size = left.shape[-1]
    small = [F.interpolate(each, size=(EDGE, EDGE), mode="bilinear", antialias=True) for each in (left, right)]
    top, across = (size - EDGE) // 2, size - EDGE
    behind = F.pad(small[0], (0, across, top - 4, size - EDGE - top + 4))
    front = F.pad(small[1], (across, 0, top + 4, size - EDGE - top - 4))
    return front + (1 - front[:, 3:]) * behind


def twice(picture: Tensor) -> Tensor:
    """The same drawing two times."""
    return pair(picture, picture)


def to_signed(pictures: Tensor) -> Tensor:
    """uint8 [B, H, W, 4] -> float32 [B, 4, H, W] in -1..1."""
    return pictures.movedim(-1, 1).float() / 127.5 - 1


def from_signed(pictures: Tensor) -> Tensor:
    """[B, 4, H, W] in about -1..1, premultiplied -> uint8 [B, H, W, 4] with plain colours, as a PNG has them."""
    values = (pictures.float() / 2 + 0.5).clamp(0, 1)
    alpha = values[:, 3:]
    colours = (values[:, :3] / alpha.clamp(min=1 / 255)).clamp(0, 1)
    # what is nearly invisible would show the rounding of its colour when laid on another one
    plain = torch.cat([colours * (alpha > 1 / 255), alpha], 1)
    return (plain * 255).round().to(torch.uint8).movedim(1, -1)
