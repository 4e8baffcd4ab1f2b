"""The order of layers that both style networks share: contract, residual blocks, expand.

"Perceptual Losses for Real-Time Style Transfer" (Johnson et al. 2016) as changed by Dumoulin et al. (2017): two strided
convolutions, residual blocks, two doublings by nearest neighbour. Knows no weights and no styles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.style.bands import Bytes, Layer, Norm, Pieces, Plane, Source, convolve, through
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

    def work(self, height: int, width: int, frugal: bool = False) -> int:
        """Multiplications it takes for a picture of this size: the sum of what ``paint`` yields."""
        total, pixels = 0, height * width
        if frugal and self.contract[0].norm is not None:
            total += self.contract[0].kernel.numel() * pixels
        for layer in self.layers():
            pixels //= layer.shrinks**2
            total += layer.kernel.numel() * pixels
            pixels *= 4 if layer.writes_blocks else 1
        return total

    def numbers_per_pixel(self, frugal: bool) -> float:
        """The most numbers that are kept at once for each pixel of the photo: a layer's input and output."""
        pixels, read, peak = 1.0, 0.0, 0.0  # the photo is bytes
        for number, layer in enumerate(self.layers()):
            pixels /= layer.shrinks**2
            made = 0.0 if number == 0 and self.passes_through(frugal) else pixels * len(layer.kernel)
            peak = max(peak, read + made)
            read = made
            if layer.writes_blocks:
                pixels *= 4
        return peak

    def passes_through(self, frugal: bool) -> bool:
        """Whether the first layer's map, by far the largest, is not kept: always where that costs nothing."""
        return frugal or self.contract[0].norm is None


def doubling(weight: Tensor, norm: Norm) -> Layer:
    """Doubling by nearest neighbour, then the 3 x 3 convolution ``weight`` with a reflected border."""
    return Layer(on_upsampled(weight), edge="replicate", norm=norm, writes_blocks=True)


def to_colors(weight: Tensor, norm: Norm) -> Layer:
    """The 9 x 9 convolution to red, green and blue, before the sigmoid."""
    return Layer(on_blocks(weight), norm=norm, relu=False, reads_blocks=True, writes_blocks=True)


@torch.inference_mode()
def paint(stack: Stack, photo: Tensor, frugal: bool = False) -> Pieces[Plane]:
    """Runs ``photo`` [height, width, 3], bytes, through the stack; the result is the painting before its sigmoid.

    Height and width are multiples of ``MULTIPLE`` and at least ``LEAST``. ``frugal``: a quarter of the memory for half
    as much time again, to the same result.
    """
    seen = _seen(photo, stack.contract[0])
    first, *others = stack.contract
    source: Source = (
        (yield from through(seen, first)) if stack.passes_through(frugal) else (yield from convolve(seen, first))
    )
    for layer in others:
        source = yield from convolve(source, layer)
    total, flat = source.empty(*source.shape), source.flat
    source.write(total, 0, len(total))
    del source
    for one, two in zip(stack.residual[::2], stack.residual[1::2], strict=True):
        hidden = yield from convolve(Plane(total, flat=flat), one)
        change = yield from convolve(hidden, two)
        total += change.read(0, len(total))
    plane = Plane(total, flat=flat)
    for layer in stack.expand:
        plane = yield from convolve(plane, layer)
    return plane


def _seen(photo: Tensor, first: Layer) -> Bytes:
    """The photo in 0..1 and in the kernel's number format.

    A normalisation after the first convolution takes no notice of a constant; then the mean colour is taken away, which
    leaves small numbers: bfloat16 has steps of 1/256 near white, coarse enough to see in a bright sky.
    """
    mean = torch.zeros(3, device=photo.device)
    if first.norm is not None:
        mean = (photo.sum((0, 1)).double() / (255 * photo[..., 0].numel())).float()
    return Bytes(photo, mean, first.kernel.dtype, flat=bool((photo == photo[0, 0]).all()))
