"""The model under examination: draws what is asked for, at the 64 px the judge sees. It knows neither judge nor
figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from pipelines.sticker.drawings import SMALL, STYLES
from pipelines.sticker.exam import Wanted
from pipelines.sticker.pipeline import StickerPipeline

BATCH = 50


@dataclass(frozen=True)
class Candidate:
    """``pipe`` with the settings it is examined at."""

    pipe: StickerPipeline
    steps: int = 24
    guidance: float = 4.0

    def draw(self, wanted: Sequence[Wanted]) -> Tensor:
        """[len(wanted), 4, 64, 64] in -1..1, each sticker from its own seed."""
        found = torch.zeros(len(wanted), 4, SMALL, SMALL)
        by_style = [[place for place, each in enumerate(wanted) if each.style == style] for style in STYLES]
        batches = [mine[start : start + BATCH] for mine in by_style for start in range(0, len(mine), BATCH)]
        for batch in tqdm(batches, desc="stickers", unit="batch", mininterval=5):
            drawn: Any = self.pipe(
                [wanted[place].caption for place in batch],
                wanted[batch[0]].style,
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                generator=[torch.Generator().manual_seed(wanted[place].seed) for place in batch],
                output_type="latent",
            )
            found[batch] = self._decoded(drawn.images)
        return found

    @torch.no_grad()
    def redraw(self, pictures: Sequence[Tensor]) -> Tensor:
        """uint8 [4, 64, 64] each -> uint8 [N, 4, 64, 64], as the autoencoder draws them."""
        vae, found = self.pipe.vae, []
        for start in tqdm(range(0, len(pictures), 250), desc="training pictures", unit="batch", mininterval=5):
            part = torch.stack(list(pictures[start : start + 250])).float() / 127.5 - 1
            found.append(to_bytes(self._decoded(vae.encode(part.to(vae.device, vae.dtype)))))
        return torch.cat(found)

    @torch.no_grad()
    def enlarge(self, pictures: Tensor) -> Tensor:
        """[B, 4, 64, 64] in -1..1 -> [B, 4, 256, 256]."""
        upscaler = self.pipe.upscaler
        found: Tensor = upscaler(pictures.to(upscaler.device, upscaler.dtype), return_dict=False)
        return found.float().clamp(-1, 1).cpu()

    @torch.no_grad()
    def _decoded(self, latents: Tensor) -> Tensor:
        vae = self.pipe.vae
        drawn: Any = vae.decode(latents.to(vae.device, vae.dtype))
        found: Tensor = drawn.sample
        return found.float().clamp(-1, 1).cpu()


def to_bytes(pictures: Tensor) -> Tensor:
    """-1..1 -> uint8, of the same shape."""
    return ((pictures + 1) * 127.5).round().to(torch.uint8)
