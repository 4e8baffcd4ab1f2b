"""Trains the upscaler: squares cut from the same drawings at 64 and at 256 px.

Half of the small ones are the drawings themselves, half are what the autoencoder makes of them with noise in its
latents, so that the upscaler also draws those soft edges crisp. Every tenth drawing is kept out, to measure on.
"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.data import StickerData
from pipelines.sticker.pairs import to_signed
from pipelines.sticker.sheets import sheet
from pipelines.sticker.trainer import channels_last, plain_config
from pipelines.sticker.upscaler import StickerUpscaler, bicubic

FACTOR, CUT = 4, 24
NOISE = 0.3
#: drawings held in memory; a large one is a quarter of a megabyte
HELD = 2400
KEPT_OUT = 10


class UpscalerStage:
    """``loss``: mean absolute difference, and that of differences to the neighbour."""

    name = "upscaler"

    def __init__(
        self,
        data: StickerData,
        vae: StickerAutoencoder,
        device: torch.device,
        batch: int = 48,
        rate: float = 1e-3,
        net: StickerUpscaler | None = None,
    ) -> None:
        self.batch, self.device = batch, device
        self.random = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        self.net = channels_last((net or StickerUpscaler()).to(device).train())
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(self.net.parameters(), rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
        ]
        numbers = training_numbers(len(data.drawings), self.random)
        self._small = torch.from_numpy(data.pictures)[numbers]
        self._large = torch.from_numpy(data.large(numbers))
        self._soft = softened(self._small, vae, device, self.random)
        self._shown = numbers[:8]

    def request(self) -> dict[str, Any]:
        return {"stage": self.name, **plain_config(self.net)}

    def loss(self) -> Tensor:
        small, large = self._cuts()
        with torch.autocast(self.device.type, torch.bfloat16):
            drawn = self.net(small, return_dict=False)
        off = drawn.float() - large
        edges = (off[..., 1:] - off[..., :-1]).abs().mean() + (off[..., 1:, :] - off[..., :-1, :]).abs().mean()
        loss: Tensor = off.abs().mean() + edges
        return loss

    def _cuts(self) -> tuple[Tensor, Tensor]:
        """Small [B, 4, 24, 24] and large [B, 4, 96, 96]."""
        room = self._small.shape[1] - CUT
        number = torch.randint(len(self._small), (self.batch,), generator=self.random).tolist()
        tops, lefts = torch.randint(room + 1, (2, self.batch), generator=self.random).tolist()
        small, large = [], []
        for place, (which, top, left) in enumerate(zip(number, tops, lefts, strict=True)):
            source = self._small if place % 2 else self._soft
            small.append(source[which, top : top + CUT, left : left + CUT])
            up, across = FACTOR * top, FACTOR * left
            large.append(self._large[which, up : up + FACTOR * CUT, across : across + FACTOR * CUT])
        flat = to_signed(torch.stack(small)).to(self.device, memory_format=torch.channels_last)
        return flat, to_signed(torch.stack(large)).to(self.device)

    @torch.no_grad()
    def sheet(self, net: Any) -> Image.Image:
        """Bicubic, drawn by the network, and true; of soft pictures."""
        small = to_signed(self._soft[:8]).to(self.device)
        rows = [bicubic(small, FACTOR), net(small, return_dict=False), to_signed(self._large[:8])]
        return sheet(torch.cat([row.float().cpu() for row in rows]), 8)


def training_numbers(count: int, random: torch.Generator) -> list[int]:
    """Which drawings to learn from: at most ``HELD``, none whose number is a multiple of ``KEPT_OUT``."""
    order = torch.randperm(count, generator=random).tolist()
    return [number for number in order if number % KEPT_OUT][:HELD]


@torch.no_grad()
def softened(pictures: Tensor, vae: StickerAutoencoder, device: torch.device, random: torch.Generator) -> Tensor:
    """uint8 [N, 64, 64, 4] -> the same drawn again from noisy latents."""
    found = []
    for part in pictures.chunk(-(-len(pictures) // 128)):
        latents = vae.encode(to_signed(part).to(device, vae.dtype))
        strength = torch.rand(len(part), 1, 1, 1, generator=random) * NOISE
        noise = torch.randn(latents.shape, generator=random) * strength
        drawn = vae.draw((latents + noise.to(device)).to(vae.dtype))
        found.append(((drawn.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).cpu())
    return torch.cat(found)
