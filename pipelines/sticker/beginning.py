"""Stickers that begin from a picture: its latents, how much noise they start with, and what of them is kept.

The flow goes straight from noise to a picture (Lipman et al. 2023), so the place at time s of it is
s * noise + (1 - s) * picture. Started there instead of at noise, it keeps of the picture what s leaves (SDEdit, Meng et
al. 2022); where only a part is to be drawn anew, the rest is set to its own place on the way after each step (Lugmayr
et al. 2022). Knows tensors and pictures; not prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.own_pictures import fitted
from pipelines.sticker.pairs import to_signed


@dataclass(frozen=True)
class Beginning:
    """``clean`` [1, 16, 8, 8] and ``noise`` [B, 16, 8, 8]; ``anew`` [1, 1, 8, 8] in 0..1, None where all of it is."""

    clean: Tensor
    noise: Tensor
    anew: Tensor | None

    def at(self, sigma: Tensor | float) -> Tensor:
        """The place on the way where ``sigma`` of the noise is left."""
        return sigma * self.noise + (1 - sigma) * self.clean

    def kept(self, latents: Tensor, sigma: Tensor | float) -> Tensor:
        """``latents`` of that place, with what shall be kept where it would be."""
        return latents if self.anew is None else self.anew * latents + (1 - self.anew) * self.at(sigma)


def latents_of(vae: StickerAutoencoder, picture: Image.Image) -> Tensor:
    """[1, 16, 8, 8] of an RGBA picture of any size, seen at 64 px."""
    signed = to_signed(torch.from_numpy(fitted(picture.convert("RGBA"))).unsqueeze(0))
    found: Tensor = vae.encode(signed.to(vae.device, next(vae.encoder.parameters()).dtype))
    return found.float()


def anew_of(mask: Image.Image, edge: int) -> Tensor:
    """[1, 1, edge, edge] in 0..1: the share of each place that is painted, all of it from half on."""
    painted = torch.from_numpy(np.asarray(mask.convert("L"), np.float32) / 255)[None, None]
    share = torch.nn.functional.interpolate(painted, size=(edge, edge), mode="area")
    return (2 * share).clamp(max=1)


def steps_left(scheduler: Any, steps: int, strength: float) -> int:
    """Where to begin among the timesteps of ``scheduler`` so that ``strength`` of ``steps`` are left, one at least."""
    begin = steps - max(1, min(steps, int(steps * strength + 1e-6)))
    return begin * int(getattr(scheduler, "order", 1))
