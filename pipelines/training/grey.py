"""Convolutions 4 with stride 2 between pictures of one channel and maps, as convolutions 2 over blocks of 2 x 2 pixels.

The same sums in another order. Vector units work on channels, and one channel leaves them idle: on a CPU the gradients
of such a layer take three times as long as those of the same layer over four channels. With three channels it does not
pay, and on a GPU the layers are as they always were. Weights have the usual shapes and names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Halving(nn.Conv2d):
    """Convolution 4, stride 2, padding 1: (B, C, S, S) -> (B, out, S/2, S/2), S even."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(into, out, 4, stride=2, padding=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        if not _pays(input, self.in_channels):
            return super().forward(input)
        return F.conv2d(_blocks(F.pad(input[:, 0], (1, 1, 1, 1))), _over_blocks(self.weight), self.bias)


class Doubling(nn.ConvTranspose2d):
    """Transposed convolution 4, stride 2, padding 1: (B, C, S, S) -> (B, out, 2S, 2S)."""

    def __init__(self, into: int, out: int, bias: bool = True) -> None:
        super().__init__(into, out, 4, stride=2, padding=1, bias=bias)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        if output_size is not None or not _pays(input, self.out_channels):
            return super().forward(input, output_size)
        blocks = F.conv_transpose2d(input, _over_blocks(self.weight))
        pictures = F.pixel_shuffle(blocks, 2)[:, :, 1:-1, 1:-1]
        return pictures if self.bias is None else pictures + self.bias.to(pictures.dtype).view(-1, 1, 1)


def _pays(tensor: Tensor, channels: int) -> bool:
    return channels == 1 and tensor.device.type == "cpu"


def _blocks(pixels: Tensor) -> Tensor:
    """(B, S, S) -> (B, 4, S/2, S/2), channels last; four strided copies, which is quicker than one permutation."""
    places = [pixels[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(places, dim=-1).permute(0, 3, 1, 2)


def _over_blocks(weight: Tensor) -> Tensor:
    """(A, 1, 4, 4) -> (A, 4, 2, 2): the channels are the four places of a block, row by row."""
    taps = weight.view(-1, 2, 2, 2, 2).permute(0, 2, 4, 1, 3)
    return taps.reshape(-1, 4, 2, 2).contiguous(memory_format=torch.channels_last)
