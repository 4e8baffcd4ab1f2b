"""Convolution, instance normalisation and activation of one large picture, a band of rows at a time.

A feature map at a photo's own resolution is hundreds of megabytes, and layer by layer torch would pass over it to
pad, to convolve, to measure, to normalise and to activate. Here a band of rows goes through all of that while it is
in the processor's cache, only the convolution's output is kept, and between two bands others may use the device.
Nothing is approximated: a band reads the neighbouring rows its kernel needs, and the mean and variance are those of
the whole map. Maps are [height, width, channels], the layout convolutions like best. A map that would be too large to
keep is not kept at all: it is measured once, and made anew, band by band, where the next layer reads it. Knows nothing
of styles.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from pipelines.style.kernels import block, unblock

Edge: TypeAlias = Literal["reflect", "replicate"]

T = TypeVar("T")
#: work done in pieces: yields how many multiplications each took, returns what was computed
Pieces: TypeAlias = Generator[int, None, T]

#: bytes of a band's output: for each thread, so that it stays in its core's second-level cache; or to keep a GPU busy
CPU_BAND_BYTES = 1 << 21
GPU_BAND_BYTES = 1 << 28


@dataclass(frozen=True)
class Norm:
    """Scale and offset of one conditional instance normalisation, each [channels] (Dumoulin et al. 2017, eq. 5)."""

    gamma: Tensor
    beta: Tensor
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Layer:
    """One convolution [out, in, k, k] with what follows it; the map it reads gets a border of k // 2.

    ``reads_blocks``: the input is shown to it in blocks of 2 x 2 pixels (see ``kernels.on_blocks``).
    ``writes_blocks``: its outputs are the four pixels of a block, so that the result has twice the height and width
    and a quarter of the channels (see ``kernels.on_upsampled``); the four share one normalisation.
    """

    kernel: Tensor
    stride: int = 1
    edge: Edge = "reflect"
    bias: Tensor | None = None
    norm: Norm | None = None
    relu: bool = True
    reads_blocks: bool = False
    writes_blocks: bool = False

    @property
    def shrinks(self) -> int:
        """How many rows of the map it reads become one of its output."""
        return self.stride * (2 if self.reads_blocks else 1)

    @property
    def border(self) -> int:
        """Pixels of border around the map it reads."""
        return self.kernel.shape[-1] // 2 * (2 if self.reads_blocks else 1)


@dataclass(frozen=True)
class Moments:
    """Mean and variance of ``count`` pixels, each [channels] in float32."""

    count: int
    mean: Tensor
    variance: Tensor


class Source(Protocol):
    """A map that a layer can read, however it is kept. ``flat`` as in ``Plane``; ``cost``: multiplications for each
    pixel that reading takes."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""

    @property
    def flat(self) -> bool:
        """Whether every pixel is the same."""

    @property
    def cost(self) -> int:
        """Multiplications for each pixel read."""

    def empty(self, *sizes: int) -> Tensor:
        """A tensor of this map's number format, where it is."""

    def write(self, out: Tensor, first: int, last: int) -> None:
        """Puts rows ``first`` to ``last`` into ``out`` [last - first, width, channels]."""


@dataclass(frozen=True)
class Plane:
    """A feature map that is still to be scaled, shifted, activated and laid out, which is done where it is read.

    ``raw`` is [height, width, channels], or [height / 2, width / 2, 4 * channels] where it is kept in ``blocks``.
    ``flat``: every pixel is the same, and so is every pixel of what is made of it; rounding must not change that, as
    normalisation would enlarge it three hundredfold in each layer.
    """

    raw: Tensor
    scale: Tensor | None = None
    shift: Tensor | None = None
    relu: bool = False
    blocks: bool = False
    flat: bool = False
    cost: int = 0

    def empty(self, *sizes: int) -> Tensor:
        return self.raw.new_empty(*sizes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the finished map."""
        height, width, channels = self.raw.shape
        return (2 * height, 2 * width, channels // 4) if self.blocks else (height, width, channels)

    def write(self, out: Tensor, first: int, last: int) -> None:
        """Puts rows ``first`` to ``last`` of the finished map into ``out`` [last - first, width, channels]."""
        if self.blocks:
            start = first // 2
            blocks = self.raw[start : (last + 1) // 2]
            rows = torch.empty_like(blocks)
            self._finish(blocks, rows)
            out.copy_(unblock(rows)[first - 2 * start : last - 2 * start])
        else:
            self._finish(self.raw[first:last], out)

    def read(self, first: int, last: int) -> Tensor:
        """Rows ``first`` to ``last`` of the finished map as a new tensor."""
        _, width, channels = self.shape
        out = self.raw.new_empty(last - first, width, channels)
        self.write(out, first, last)
        return out

    def _finish(self, rows: Tensor, out: Tensor) -> None:
        if self.scale is None or self.shift is None:
            out.copy_(rows)
        else:
            torch.addcmul(self.shift, rows, self.scale, out=out)
        if self.relu:
            out.relu_()


@dataclass(frozen=True)
class Bytes:
    """A picture of bytes [height, width, 3] as a map in 0..1 less ``away`` [3], in ``dtype``."""

    pixels: Tensor
    away: Tensor
    dtype: torch.dtype
    flat: bool = False
    cost: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.pixels.shape
        return height, width, channels

    def empty(self, *sizes: int) -> Tensor:
        return torch.empty(*sizes, dtype=self.dtype, device=self.pixels.device)

    def write(self, out: Tensor, first: int, last: int) -> None:
        out.copy_(self.pixels[first:last].float().div_(255).sub_(self.away))


class Through:
    """What ``layer`` makes of ``source``, computed again wherever it is read. It neither strides nor blocks."""

    def __init__(self, source: Source, layer: Layer, moments: list[Moments]) -> None:
        self.source, self.layer = source, layer
        self.kernel = layer.kernel.contiguous(memory_format=torch.channels_last)
        self.scale, self.shift = _pending(moments, layer)
        self.window = Window(source, layer, 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, _ = self.source.shape
        return height, width, len(self.kernel)

    @property
    def flat(self) -> bool:
        return self.source.flat

    @property
    def cost(self) -> int:
        return self.kernel.numel() + self.source.cost

    def empty(self, *sizes: int) -> Tensor:
        return self.source.empty(*sizes)

    def write(self, out: Tensor, first: int, last: int) -> None:
        if self.window.most < last - first:
            self.window = Window(self.source, self.layer, last - first)
        made = functional.conv2d(as_batch(self.window.rows(first, last)), self.kernel, self.layer.bias)
        rows = made[0].permute(1, 2, 0)
        if self.flat:
            rows[:] = rows[0, 0].clone()
        Plane(rows, self.scale, self.shift, self.layer.relu).write(out, 0, last - first)


def through(source: Source, layer: Layer) -> Pieces[Through]:
    """``layer`` over ``source`` without keeping what it makes; its moments, where they are wanted, take a look of
    their own."""
    moments: list[Moments] = []
    if layer.norm is not None:
        height, width, _ = source.shape
        kernel = layer.kernel.contiguous(memory_format=torch.channels_last)
        row = len(kernel) * width * kernel.element_size()
        cuts = bands(height, row, kernel.device.type, least=kernel.shape[-1] + 1)
        window = Window(source, layer, max(last - first for first, last in cuts))
        for first, last in cuts:
            moments.append(_moments(functional.conv2d(as_batch(window.rows(first, last)), kernel, layer.bias)))
            yield kernel.numel() * (last - first) * width
    return Through(source, layer, moments)


def convolve(source: Source, layer: Layer) -> Pieces[Plane]:
    """Runs ``layer`` over ``source``; the result's normalisation and activation are still pending."""
    height, width, _ = source.shape
    kernel = layer.kernel.contiguous(memory_format=torch.channels_last)
    raw = source.empty(height // layer.shrinks, width // layer.shrinks, len(kernel))
    cuts = bands(len(raw), max(raw[0].nbytes, _row_bytes(source, layer)), raw.device.type, least=kernel.shape[-1] + 1)
    window = Window(source, layer, max(last - first for first, last in cuts))
    reading = source.cost * layer.shrinks * width
    moments: list[Moments] = []
    for first, last in cuts:
        out = functional.conv2d(as_batch(window.rows(first, last)), kernel, layer.bias, layer.stride)
        raw[first:last] = out[0].permute(1, 2, 0)
        if layer.norm is not None:
            moments.append(_moments(out))
        yield (kernel.numel() * raw.shape[1] + reading) * (last - first)
    if source.flat:
        pixels = raw.view(*raw.shape[:2], 4 if layer.writes_blocks else 1, -1)
        pixels[:] = pixels[0, 0, 0].clone()
    scale, shift = _pending(moments, layer)
    return Plane(raw, scale, shift, layer.relu, layer.writes_blocks, source.flat)


def _row_bytes(source: Source, layer: Layer) -> int:
    """Bytes that are made to read for one row of output, where they are not kept; 0 where they are."""
    _, width, channels = source.shape
    return layer.shrinks * width * channels * layer.kernel.element_size() if source.cost else 0


def bands(height: int, row_bytes: int, kind: str, least: int) -> list[tuple[int, int]]:
    """Cuts ``height`` rows into bands of nearly equal height, of ``least`` rows or more where there are as many."""
    wanted = CPU_BAND_BYTES * torch.get_num_threads() if kind == "cpu" else GPU_BAND_BYTES
    count = max(1, height // max(least, wanted // row_bytes))
    cuts = [height * index // count for index in range(count + 1)]
    return list(pairwise(cuts))


class Window:
    """The rows of a map that one band of a layer's output reads, with their border, in one buffer for all bands."""

    def __init__(self, source: Source, layer: Layer, rows: int) -> None:
        self.source, self.layer, self.most = source, layer, rows
        height = (rows - 1) * layer.shrinks + self._unit + 2 * layer.border
        _, width, channels = source.shape
        self.buffer = source.empty(height, width + 2 * layer.border, channels)

    @property
    def _unit(self) -> int:
        return 2 if self.layer.reads_blocks else 1

    def rows(self, first: int, last: int) -> Tensor:
        """What rows ``first`` to ``last`` of the output read, in blocks if the layer wants them so."""
        layer, (height, width, _) = self.layer, self.source.shape
        start = first * layer.shrinks - layer.border
        stop = (last - 1) * layer.shrinks + self._unit + layer.border
        above, below = max(0, -start), max(0, stop - height)
        out = self.buffer[: stop - start]
        middle = out[above : len(out) - below]
        self.source.write(middle[:, layer.border : layer.border + width], start + above, stop - below)
        _extend(middle.transpose(0, 1), layer.border, layer.border, layer.edge)
        _extend(out, above, below, layer.edge)
        return block(out) if layer.reads_blocks else out


def _extend(rows: Tensor, before: int, after: int, edge: Edge) -> None:
    """Fills the first ``before`` and the last ``after`` of ``rows`` from those between them."""
    end = len(rows) - after
    if edge == "replicate":
        rows[:before] = rows[before]
        rows[end:] = rows[end - 1]
    else:
        rows[:before] = rows[before + 1 : 2 * before + 1].flip(0)
        rows[end:] = rows[end - 1 - after : end - 1].flip(0)


def as_batch(rows: Tensor) -> Tensor:
    """[h, w, c] as the [1, c, h, w] in channels-last memory that convolutions take, without a copy."""
    return rows[None].permute(0, 3, 1, 2)


def _moments(out: Tensor) -> Moments:
    """Moments of [1, c, h, w] by channel."""
    count = out.shape[2] * out.shape[3]
    if out.device.type == "cpu":  # there, var_mean over channels-last memory takes twenty times as long
        mean, variance = torch.batch_norm_update_stats(out, None, None, 0.0)
    else:
        variance, mean = torch.var_mean(out.float(), dim=(0, 2, 3), correction=0)
    return Moments(count, mean.float(), variance.float())


def merged(parts: list[Moments], groups: int = 1) -> Moments:
    """The moments of all parts, and of ``groups`` runs of channels, together (Chan, Golub and LeVeque 1979)."""
    counts = torch.tensor([part.count for part in parts], dtype=torch.float32, device=parts[0].mean.device)
    share = (counts / (counts.sum() * groups))[:, None, None]
    means = torch.stack([part.mean for part in parts]).view(len(parts), groups, -1)
    variances = torch.stack([part.variance for part in parts]).view(len(parts), groups, -1)
    mean = (share * means).sum((0, 1))
    variance = (share * (variances + (means - mean).square())).sum((0, 1))
    return Moments(groups * sum(part.count for part in parts), mean, variance)


def _pending(parts: list[Moments], layer: Layer) -> tuple[Tensor | None, Tensor | None]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta as one scale and one shift of x, in the kernel's format."""
    if layer.norm is None:
        return None, None
    pixels = 4 if layer.writes_blocks else 1
    moments = merged(parts, pixels)
    scale = layer.norm.gamma * torch.rsqrt(moments.variance + layer.norm.epsilon)
    shift = layer.norm.beta - moments.mean * scale
    dtype = layer.kernel.dtype
    return scale.repeat(pixels).to(dtype), shift.repeat(pixels).to(dtype)
