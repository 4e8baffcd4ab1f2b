"""A sticker of 64 px at 256 px: a small convolutional network that draws the edges again.

All its work is done at 64 px and every place gives its 4 x 4 pixels at once (Shi et al. 2016); it adds to what bicubic
interpolation gives. Trained on the same vector drawings at both sizes, so it knows what edges look like.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import ModelMixin  # noqa: F401 - by this name diffusers knows that it can load a class of this module
from torch import Tensor, nn

from pipelines.sticker.network import Network, remembered


@dataclass
class Upscaled:
    """``sample``: [B, 4, 4 H, 4 W]."""

    sample: Tensor


class StickerUpscaler(Network):
    """``depth`` residual pairs of convolutions, ``width`` channels."""

    @remembered
    def __init__(self, in_channels: int = 4, width: int = 64, depth: int = 5, factor: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(in_channels, width, 3, padding=1)
        self.body = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(depth)
        )
        self.leave = nn.Conv2d(width, in_channels * factor**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor, return_dict: bool = True) -> Upscaled | Tensor:
        """[B, 4, H, W] in -1..1, premultiplied -> the same at ``factor`` times the size."""
        factor = self.config["factor"]
        x = self.enter(pictures)
        for part in self.body:
            x = x + 0.3 * part(x)
        detail = F.pixel_shuffle(self.leave(x), factor)
        smooth = bicubic(pictures, factor)
        found = smooth + detail
        return Upscaled(found) if return_dict else found


def bicubic(pictures: Tensor, factor: int = 4) -> Tensor:
    """What there is without a network."""
    larger = F.interpolate(pictures.float(), scale_factor=factor, mode="bicubic", align_corners=False)
    return larger.clamp(-1, 1).to(pictures.dtype)


def psnr(one: Tensor, other: Tensor) -> Tensor:
    """Decibels between pictures in -1..1, [B]: -10 log10 of the mean squared difference, of a range of 1."""
    off: Tensor = (one.float().clamp(-1, 1) - other.float()) / 2
    return -10 * torch.log10(off.square().flatten(1).mean(1).clamp(min=1e-8))
