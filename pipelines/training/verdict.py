"""The end of a discriminator: from maps to features, from features to one number a picture.

Both forms are the usual ones but for their order in memory, which on a CPU is a tenth of a step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def flat(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H * W * C). The channels come last, as they lie in memory: nothing is copied."""
    return maps.permute(0, 2, 3, 1).flatten(1)


class Verdict(nn.Linear):
    """<w, h> + b of features (B, n) -> (B,), in float32. As a vector: a matrix of one column is slow to multiply by."""

    def __init__(self, features: int) -> None:
        super().__init__(features, 1)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return torch.mv(features.float(), self.weight[0]) + self.bias
