"""Trains the autoencoder: drawings, mirrored, recoloured and in pairs, drawn again from noisy latents."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.data import StickerData
from pipelines.sticker.pairs import pair, to_signed
from pipelines.sticker.sheets import sheet
from pipelines.sticker.trainer import channels_last, plain_config

NOISE = 0.25
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


class AutoencoderStage:
    """``loss``: mean absolute difference of pixels and, twice, of their differences to the neighbour (edges)."""

    name = "autoencoder"

    def __init__(
        self,
        data: StickerData,
        device: torch.device,
        batch: int = 64,
        rate: float = 1.5e-3,
        net: StickerAutoencoder | None = None,
        decoder_only: bool = False,
    ) -> None:
        self.batch, self.device = batch, device
        self.random = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        self.net = channels_last((net or StickerAutoencoder()).to(device).train())
        self._settings = {"stage": self.name, "decoder_only": decoder_only, **plain_config(self.net)}
        if decoder_only:  # the latents stay what they are, so that what was trained on them stays right
            self.net.encoder.requires_grad_(False)
            self.net.norm.eval()
        learning = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(learning, rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
        ]
        self._pictures = torch.from_numpy(data.pictures)

    def request(self) -> dict[str, Any]:
        return self._settings

    def pictures(self, count: int) -> Tensor:
        """[count, 4, 64, 64] in -1..1: as drawn, or changed in a way that leaves it a drawing."""
        random = self.random
        numbers = torch.randint(len(self._pictures), (count,), generator=random)
        pictures = self._pictures[numbers].movedim(-1, 1).float() / 255
        pairs = count // 8
        pictures[:pairs] = pair(pictures[:pairs], pictures[pairs : 2 * pairs])
        half = torch.rand(count, generator=random) < 0.5
        pictures[half] = pictures[half].flip(-1)
        for place in torch.randperm(count, generator=random)[: count // 3].tolist():
            order = _ORDERS[int(torch.randint(6, (1,), generator=random))]
            pictures[place, :3] = pictures[place, list(order)]
        return (pictures * 2 - 1).to(self.device, memory_format=torch.channels_last)

    def loss(self) -> Tensor:
        pictures = self.pictures(self.batch)
        strength = torch.rand(self.batch, 1, 1, 1, generator=self.random) * NOISE
        noise = torch.randn(self.batch, self.net.config["latent_channels"], 8, 8, generator=self.random) * strength
        with torch.autocast(self.device.type, torch.bfloat16):
            drawn = self.net(pictures, noise.to(self.device))
        off = drawn.float() - pictures
        edges = (off[..., 1:] - off[..., :-1]).abs().mean() + (off[..., 1:, :] - off[..., :-1, :]).abs().mean()
        loss: Tensor = off.abs().mean() + edges
        return loss

    @torch.no_grad()
    def sheet(self, net: Any) -> Image.Image:
        """Sixteen drawings above themselves from latents."""
        numbers = torch.linspace(0, len(self._pictures) - 1, 32).long()
        pictures = to_signed(self._pictures[numbers])
        drawn = net.draw(net.encode(pictures.to(self.device))).cpu()
        rows = [part for pair_ in zip(pictures.chunk(2), drawn.chunk(2), strict=True) for part in pair_]
        return sheet(torch.cat(rows), 16)

    @torch.no_grad()
    def psnr(self, net: Any, count: int = 512) -> float:
        """Decibels between drawings and themselves from latents, over all four channels."""
        numbers = torch.linspace(0, len(self._pictures) - 1, count).long()
        off = []
        for part in numbers.chunk(-(-count // 64)):
            pictures = to_signed(self._pictures[part])
            drawn = net.draw(net.encode(pictures.to(self.device))).cpu()
            off.append(((drawn.clamp(-1, 1) - pictures) / 2).square().mean((1, 2, 3)))
        return float(-10 * torch.cat(off).mean().log10())
