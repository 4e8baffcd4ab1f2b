"""The order of layers that both style networks share: contract, residual blocks, expand.

"Perceptual Losses for Real-Time Style Transfer" (Johnson et al. 2016) as changed by Dumoulin et al. (2017): two strided
convolutions, residual blocks, two doublings by nearest neighbour. Knows no weights and no styles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.style.bands import Layer, Norm, Pieces, Plane, convolve
from pipelines.style.kernels import on_blocks, on_upsampled

#: height and width of what is painted are multiples of this (two strides of 2) ...
MULTIPLE = 4
#: ... and at least this, so that every map is larger than the border it gets
LEAST = 16


@dataclass(frozen=True)
class Stack:
    """The layers of a transformer; ``residual`` holds two for each block."""

    contract: Sequence[Layer]
    residual: Sequence[Layer]
    expand: Sequence[Layer]

    def layers(self) -> Iterator[Layer]:
        """All of them, in the order they run."""
        yield from self.contract
        yield from self.residual
        yield from self.expand

    def work(self, height: int, width: int) -> int:
        """Multiplications it takes for a picture of this size: the sum of what ``paint`` yields."""
        total, pixels = 0, height * width
        for layer in self.layers():
            pixels //= layer.shrinks**2
            total += layer.kernel.numel() * pixels
            pixels *= 4 if layer.writes_blocks else 1
        return total


def doubling(weight: Tensor, norm: Norm) -> Layer:
    """Doubling by nearest neighbour, then the 3 x 3 convolution ``weight`` with a reflected border."""
    return Layer(on_upsampled(weight), edge="replicate", norm=norm, writes_blocks=True)


def to_colors(weight: Tensor, norm: Norm) -> Layer:
    """The 9 x 9 convolution to red, green and blue, before the sigmoid."""
    return Layer(on_blocks(weight), norm=norm, relu=False, reads_blocks=True, writes_blocks=True)


@torch.inference_mode()
def paint(stack: Stack, photo: Tensor) -> Pieces[Plane]:
    """Runs ``photo`` [height, width, 3], bytes, through the stack; the result is the painting before its sigmoid.

    Height and width are multiples of ``MULTIPLE`` and at least ``LEAST``.
    """
    plane = _prepared(photo, stack.contract[0])
    for layer in stack.contract:
        plane = yield from convolve(plane, layer)
    total, flat = plane.read(0, plane.shape[0]), plane.flat
    for first, second in zip(stack.residual[::2], stack.residual[1::2], strict=True):
        hidden = yield from convolve(Plane(total, flat=flat), first)
        change = yield from convolve(hidden, second)
        total += change.read(0, len(total))
    plane = Plane(total, flat=flat)
    for layer in stack.expand:
        plane = yield from convolve(plane, layer)
    return plane


def _prepared(photo: Tensor, first: Layer) -> Plane:
    """The photo in 0..1 and in the kernel's number format.

    A normalisation after the first convolution takes no notice of a constant; then the mean colour is taken away, which
    leaves small numbers: bfloat16 has steps of 1/256 near white, coarse enough to see in a bright sky.
    """
    values = photo.float().div_(255)
    if first.norm is not None:
        values -= values.mean((0, 1))
    return Plane(values.to(first.kernel.dtype), flat=bool((photo == photo[0, 0]).all()))
