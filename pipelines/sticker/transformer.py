"""The network that takes noise to a sticker's latents, told a sentence and a drawing style.

An hourglass of transformer blocks (Crowson et al. 2024): a few narrow ones see all 8 x 8 places, most and widest see
2 x 2 of them at once together with the sentence's tokens. Sixteen places and sixteen words are few, so a wide middle
costs as much time as a narrow network of one resolution, and holds three times as much. Blocks as in SD3 and Llama:
RMS norms, SwiGLU, queries and keys normalised, scale and shift from time, style and the sentence (Peebles and Xie
2023), from one shared projection with a table a block (PixArt, Chen et al. 2023). It predicts the velocity noise - data
of the straight way between them (Lipman et al. 2023; Liu et al. 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import ModelMixin  # noqa: F401 - by this name diffusers knows that it can load a class of this module
from torch import Tensor, nn

from pipelines.sticker.network import Network, remembered
from pipelines.sticker.text import WIDTH

HEAD = 64


@dataclass
class Velocity:
    """``sample``: [B, 16, 8, 8]."""

    sample: Tensor


class Block(nn.Module):
    """Attention over everything in the sequence, then SwiGLU; both scaled, shifted and gated by the condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 64 * round(width * 8 / 3 / 64)
        self.heads = width // HEAD
        self.table = nn.Parameter(torch.zeros(6, width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)
        self.sharp = nn.Parameter(torch.ones(2, HEAD))

    def forward(self, x: Tensor, condition: Tensor, apart: int = 1) -> Tensor:
        """``x`` [B, T, width]; ``condition`` [B, 6, width]; ``apart`` as for the whole network."""
        parts = (condition + self.table).to(x.dtype).unsqueeze(2).unbind(1)  # six of [B, 1, width]
        x = x + parts[2] * self._attend(_norm(x) * (1 + parts[0]) + parts[1])
        value, gate = self.up(_norm(x) * (1 + parts[3]) + parts[4]).chunk(2, -1)
        out: Tensor = x + parts[5] * _by_picture(self.down, F.silu(gate) * value, apart)
        return out

    def _attend(self, x: Tensor) -> Tensor:
        count, length, width = x.shape
        q, k, v = self.qkv(x).view(count, length, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = _norm(q) * self.sharp[0].to(q.dtype), _norm(k) * self.sharp[1].to(k.dtype)
        # written out: at these lengths the fused kernel's way back takes longer on a CPU than all matrix products
        seen = torch.softmax((q @ k.transpose(-1, -2)) / HEAD**0.5, -1) @ v
        out: Tensor = self.out(seen.transpose(1, 2).reshape(count, length, width))
        return out


def _by_picture(layer: nn.Module, x: Tensor, apart: int) -> Tensor:
    """``layer`` of ``x``, of one picture's rows at a time."""
    found: Tensor = layer(x) if apart == 1 else torch.cat([layer(rows) for rows in x.chunk(apart)])
    return found


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=1e-6)


class StickerTransformer(Network):
    """The hourglass. ``styles`` drawing styles; the embedding after the last means any."""

    @remembered
    def __init__(
        self,
        in_channels: int = 16,
        sample_size: int = 8,
        outer_width: int = 192,
        outer_depth: int = 2,
        inner_width: int = 384,
        inner_depth: int = 6,
        text_width: int = WIDTH,
        styles: int = 5,
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(in_channels, outer_width)
        self.places = nn.Parameter(0.02 * torch.randn(1, sample_size**2, outer_width))
        self.first = nn.ModuleList(Block(outer_width) for _ in range(outer_depth))
        self.merge = nn.Linear(4 * outer_width, inner_width)
        self.words = nn.Linear(text_width, inner_width)
        self.no_word = nn.Parameter(torch.zeros(1, 1, inner_width))
        self.middle = nn.ModuleList(Block(inner_width) for _ in range(inner_depth))
        self.split = nn.Linear(inner_width, 4 * outer_width)
        self.last = nn.ModuleList(Block(outer_width) for _ in range(outer_depth))
        self.leave = nn.Linear(outer_width, in_channels)
        self.time = nn.Sequential(nn.Linear(256, inner_width), nn.SiLU(), nn.Linear(inner_width, inner_width))
        self.sentence = nn.Linear(text_width, inner_width)
        self.style = nn.Embedding(styles + 1, inner_width)
        self.to_inner = nn.Linear(inner_width, 6 * inner_width)
        self.to_outer = nn.Linear(inner_width, 6 * outer_width)
        self.to_end = nn.Linear(inner_width, 2 * outer_width)
        self._start()

    def _start(self) -> None:
        """Blocks begin as if they were not there, and the output at nothing (Peebles and Xie 2023, adaLN-Zero)."""
        for layer in (self.to_inner, self.to_outer, self.to_end, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.style.weight, std=0.02)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_mask: Tensor,
        pooled: Tensor,
        style: Tensor,
        return_dict: bool = True,
        apart: int = 1,
    ) -> Velocity | Tensor:
        """Velocity at ``hidden_states`` [B, 16, 8, 8].

        ``timestep`` [B] in 0..1, 1 is noise; ``encoder_hidden_states`` [B, T, 384] with ``encoder_mask`` [B, T];
        ``pooled`` [B, 384]; ``style`` [B], the number of a drawing style or ``styles`` for any. No sentence: an
        all-false mask and a zero ``pooled``. ``apart``: how many pictures the batch is for, where each must come out as
        it would alone. The order in which a matrix product adds up a long sum may depend on how many rows it has: on a
        CPU, in bfloat16, that makes other stickers from 512 terms on. Such products are then taken picture by picture.
        """
        count, channels, edge, _ = hidden_states.shape
        known = self.time(_waves(timestep).to(hidden_states.dtype)) + self.sentence(pooled) + self.style(style)
        known = F.silu(known)
        outer = self.to_outer(known).view(count, 6, -1)
        inner = self.to_inner(known).view(count, 6, -1)

        x = self.enter(hidden_states.flatten(2).transpose(1, 2)) + self.places
        for block in self.first:
            x = block(x, outer, apart)
        words = torch.where(encoder_mask.unsqueeze(-1), self.words(encoder_hidden_states), self.no_word.to(x.dtype))
        middle = torch.cat([_by_picture(self.merge, _merged(x, edge), apart), words], 1)
        for block in self.middle:
            middle = block(middle, inner, apart)
        x = x + _spread(self.split(_norm(middle[:, : (edge // 2) ** 2])), edge)
        for block in self.last:
            x = block(x, outer, apart)
        scale, shift = self.to_end(known).unsqueeze(1).chunk(2, -1)
        x = self.leave(_norm(x) * (1 + scale) + shift)
        found = x.transpose(1, 2).reshape(count, channels, edge, edge)
        return Velocity(found) if return_dict else found


def _waves(times: Tensor) -> Tensor:
    """[B] in 0..1 -> [B, 256]: sines and cosines of 128 frequencies (Vaswani et al. 2017), as in diffusers."""
    frequencies = torch.exp(-math.log(10_000) * torch.arange(128, device=times.device) / 128)
    angles = 1000 * times.float().unsqueeze(1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1)


def _merged(x: Tensor, edge: int) -> Tensor:
    """[B, edge * edge, C] -> [B, (edge / 2)^2, 4 C]: every 2 x 2 places become one."""
    count, _, width = x.shape
    half = edge // 2
    squares = x.view(count, half, 2, half, 2, width).permute(0, 1, 3, 2, 4, 5)
    return squares.reshape(count, half * half, 4 * width)


def _spread(x: Tensor, edge: int) -> Tensor:
    """The way back: [B, (edge / 2)^2, 4 C] -> [B, edge * edge, C]."""
    count, _, width = x.shape
    half = edge // 2
    squares = x.view(count, half, half, 2, 2, width // 4).permute(0, 1, 3, 2, 4, 5)
    return squares.reshape(count, edge * edge, width // 4)


def parameters_of(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The matrices inside the blocks, and everything else: an optimizer for matrices takes only the first."""
    inside: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        matrix = parameter.ndim == 2 and any(part in name for part in (".qkv", ".out", ".up", ".down"))
        (inside if matrix else other).append(parameter)
    return inside, other
