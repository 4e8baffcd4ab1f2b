"""Trains the transformer: flow matching in the autoencoder's latents, told sentences and drawing styles.

x_t = (1 - t) data + t noise, and the network predicts noise - data (Lipman et al. 2023, Liu et al. 2023), at times
whose logits are normal (Esser et al. 2024). A tenth of the sentences and, apart from them, of the styles are left out,
so that the difference they make can be enlarged when drawing (Ho and Salimans 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.sheets import sheet
from pipelines.sticker.text import Text
from pipelines.sticker.trainer import compiled, plain_config
from pipelines.sticker.transformer import StickerTransformer, parameters_of

DROPPED = 0.1
SHEET_STEPS, SHEET_GUIDANCE = 16, 4.0


class Examples(Protocol):
    """What the flow learns from."""

    def draw(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Latents [B, 16, 8, 8], styles [B], token states [B, T, 384], their mask [B, T] and pooled [B, 384]."""
        ...


class FlowStage:
    """``loss``: squared error of the velocity. ``shown``: sentences of the sheet, encoded, a style each.

    ``fast`` compiles the network; ``half`` computes in bfloat16 where that keeps enough. With a ``net`` of the caller's
    nothing outside is touched: all chance is that of ``seed``.
    """

    name = "flow"

    def __init__(
        self,
        examples: Examples,
        vae: StickerAutoencoder,
        shown: Text,
        device: torch.device,
        batch: int = 128,
        rate: float = 1e-3,
        muon: float = 0.0,
        fast: bool = True,
        net: StickerTransformer | None = None,
        half: bool = True,
        seed: int = 0,
    ) -> None:
        self.batch, self.device, self.half = batch, device, half
        self.random = torch.Generator().manual_seed(seed)
        if net is None:
            torch.manual_seed(seed)
        self.net = (net or StickerTransformer()).to(device)
        inside, other = parameters_of(self.net)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                other if muon else [*inside, *other], rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
            )
        ]
        if muon:
            self.optimizers.append(torch.optim.Muon(inside, muon, weight_decay=0.01))
        self._examples, self._vae, self._shown = examples, vae, shown
        self._forward = compiled(self.net, fast)

    def request(self) -> dict[str, Any]:
        return {"stage": self.name, **plain_config(self.net)}

    def loss(self) -> Tensor:
        latents, styles, states, mask, pooled = self._examples.draw(self.batch, self.random)
        chance = torch.rand(2, self.batch, generator=self.random).to(self.device)
        heard, styled = chance[0] >= DROPPED, chance[1] >= DROPPED
        styles = torch.where(styled, styles, len(STYLES))
        noise = torch.randn(latents.shape, generator=self.random).to(self.device)
        times = torch.randn(self.batch, generator=self.random).sigmoid().to(self.device)
        at = times.view(-1, 1, 1, 1)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            found = self._forward(
                (1 - at) * latents + at * noise,
                times,
                states,
                mask & heard.unsqueeze(1),
                pooled * heard.unsqueeze(1),
                styles,
                return_dict=False,
            )
        return F.mse_loss(found.float(), noise - latents)

    @torch.no_grad()
    def sheet(self, net: Any) -> Image.Image:
        """A row of sentences in each style, always from the same noise."""
        count = len(self._shown.pooled)
        noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(7)).to(self.device)
        rows = []
        for style in range(len(STYLES)):
            styles = torch.full((count,), style, device=self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                latents = drawn(net, noise.expand(count, -1, -1, -1), self._shown, styles, SHEET_STEPS, SHEET_GUIDANCE)
                rows.append(self._vae.draw(latents.to(self._vae.dtype)).float().cpu())
        return sheet(torch.cat(rows), count)


@torch.no_grad()
def drawn(
    net: Any,
    latents: Tensor,
    text: Text,
    styles: Tensor,
    steps: int,
    guidance: float,
    pause: Callable[[], None] = lambda: None,
) -> Tensor:
    """Latents from noise by Euler's method in ``steps`` equal steps, guided away from the unsaid in no style.

    ``pause`` is called between any two passes through the network.
    """
    silence, plain = torch.zeros_like(text.mask), torch.full_like(styles, len(STYLES))
    for step in range(steps):
        time, nxt = 1 - step / steps, 1 - (step + 1) / steps
        times = torch.full((len(latents),), time, device=latents.device)
        said = net(latents, times, text.states, text.mask, text.pooled, styles, return_dict=False).float()
        pause()
        unsaid = net(latents, times, text.states, silence, 0 * text.pooled, plain, return_dict=False).float()
        latents = latents + (nxt - time) * (unsaid + guidance * (said - unsaid))
        pause()
    return latents
