"""Differentiable augmentation: what a discriminator sees of real and of fake pictures alike, in both updates.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", section 3.2 and appendix: colour,
translation by an eighth, and a cut of half the edge. The generator learns through it; what it draws stays free of it.
Pictures are (B, C, S, S) in -1 to 1. Knows no networks; every draw comes from a generator that is handed in.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: below so many pictures a discriminator soon knows them by heart
FEW = 10_000
SHIFT, CUT = 0.125, 0.5  # of the edge


def is_on(wish: str, pictures: int, plane: bool) -> bool:
    """Whether ``wish`` ("auto", "on", "off") means it for a data set of so many ``pictures``; never for points."""
    return not plane and (wish == "on" or (wish == "auto" and pictures < FEW))


def augmented(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Each picture in colours, at a place and with a cut of its own."""
    return cut(translated(coloured(pictures, random), random), random)


def coloured(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Brighter or darker by up to a quarter of the range, 0 to 2 times as vivid, at 0.5 to 1.5 times the contrast."""
    brightness, saturation, contrast = _uniform(3, pictures, random)
    bright = pictures + (brightness - 0.5)
    grey = bright.mean(1, keepdim=True)
    vivid = (bright - grey) * (2 * saturation) + grey
    middle = vivid.mean((1, 2, 3), keepdim=True)
    changed: Tensor = (vivid - middle) * (contrast + 0.5) + middle
    return changed


def translated(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Moved by up to an eighth of the edge both ways; what comes into view is 0."""
    edge = pictures.shape[-1]
    most = round(SHIFT * edge)
    down, right = torch.randint(-most, most + 1, (2, len(pictures)), generator=random, device=pictures.device)
    along = torch.arange(edge, device=pictures.device)
    # picture b's row y comes from row y - down[b] of the padded one, where row 0 is the padding
    rows = (along[None] - down[:, None] + 1).clamp(0, edge + 1)
    columns = (along[None] - right[:, None] + 1).clamp(0, edge + 1)
    channels = pictures.shape[1]
    moved = F.pad(pictures, (0, 0, 1, 1)).gather(2, rows[:, None, :, None].expand(-1, channels, -1, edge))
    return F.pad(moved, (1, 1)).gather(3, columns[:, None, None, :].expand(-1, channels, edge, -1))


def cut(pictures: Tensor, random: torch.Generator) -> Tensor:
    """With a square of half the edge at 0, its middle anywhere in the picture."""
    edge = pictures.shape[-1]
    side = round(CUT * edge)
    middles = torch.randint(0, edge + (1 - side % 2), (2, len(pictures)), generator=random, device=pictures.device)
    along = torch.arange(edge, device=pictures.device)
    inside = (along - middles[..., None] >= -(side // 2)) & (along - middles[..., None] < side - side // 2)
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    return pictures * ~hole[:, None]


def _uniform(count: int, pictures: Tensor, random: torch.Generator) -> Tensor:
    """0 to 1, (count, B, 1, 1, 1)."""
    return torch.rand(count, len(pictures), 1, 1, 1, generator=random, device=pictures.device)
