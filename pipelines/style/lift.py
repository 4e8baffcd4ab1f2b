"""Brings a small painting to the photo's own size: strokes stay strokes, and their edges go where the photo's are.

Where the painting follows the photo it is, near each pixel, a gain times the photo plus something ("Fast Guided
Filter", He and Sun 2015, a channel at a time). That gain, made at the small size, carries the photo's finer part into
the enlarged painting. The painting is sharpened beforehand by more than looks well, and what comes of both is held
between the darkest and the lightest paint nearby: a soft edge between two strokes becomes a hard one, without a halo
and without the photo's grain on flat paint. Enlarging is done on bytes, for which torch has its quickest way, and the
rest in 16-bit numbers, a few rows at a time. Knows pixels only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipelines.style.photo import Pixels8

#: pixels around one whose colours make a gain, where both pictures are halved once more, as a gain is smooth
AROUND = 1
#: a standard deviation of the photo below which a gain is not believed, of 255
GRAIN = 10.0
#: how much of a small painting's own fine part is added to it
SHARPER = 0.75
#: how far beyond the paint nearby a colour may go, of 255
BEYOND = 10
#: a gain is kept as a byte: so much is 1, added to what stands for 0
ONE, ZERO = 128, 128
#: rows that are put together at once, and after how many others may use the device
ROWS, TURN = 16, 256


@torch.inference_mode()
def lifted(painting: Pixels8, small: Pixels8, photo: Pixels8, between: Callable[[], None]) -> Pixels8:
    """``painting`` [h, w, 3] of ``small``, which is ``photo`` [height, width, 3] made as small, at the photo's size.

    ``between`` is called now and then; it may raise to stop.
    """
    paint, seen = _tensor(painting), _tensor(small)
    low = [*_strokes(paint), _gains(_halved(seen), _halved(paint)), seen]
    between()
    large = []
    for values in low:
        large.append(_enlarged(values, photo.shape[0], photo.shape[1]))
        between()
    result = photo.copy()
    _put_together(torch.from_numpy(result), large, between)
    return result


def reduced(pixels: Pixels8, size: tuple[int, int]) -> Pixels8:
    """``pixels`` made smaller, to (width, height)."""
    return np.ascontiguousarray(_enlarged(_tensor(pixels), size[1], size[0]).numpy())


def _put_together(photo: Tensor, large: list[Tensor], between: Callable[[], None]) -> None:
    """Writes the painting with the photo's finer part over the photo, all [height, width, 3] bytes."""
    sharp, darkest, lightest, gain, seen = (values.flatten(1) for values in large)
    photo = photo.flatten(1)
    fine, other = (torch.empty(ROWS, photo.shape[1], dtype=torch.int16) for _ in range(2))
    for first in range(0, len(photo), ROWS):
        rows = slice(first, min(first + ROWS, len(photo)))
        a, b = fine[: rows.stop - first], other[: rows.stop - first]
        a.copy_(photo[rows]).sub_(b.copy_(seen[rows]))
        a.mul_(b.copy_(gain[rows]).sub_(ZERO)).add_(ONE // 2).bitwise_right_shift_(7)  # by ONE, rounded
        a.add_(b.copy_(sharp[rows]))
        torch.maximum(a, b.copy_(darkest[rows]), out=a)
        torch.minimum(a, b.copy_(lightest[rows]), out=a)
        photo[rows].copy_(a)
        if first % TURN == 0:
            between()


def _strokes(paint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The painting sharpened, and the darkest and the lightest paint around each pixel."""
    wide = paint.float()
    sharp = wide + SHARPER * (wide - _mean(wide, 1))
    darkest, lightest = (_mean(_over(paint, 1, merge).float(), 1) for merge in (torch.minimum, torch.maximum))
    return sharp, darkest - BEYOND, lightest + BEYOND


def _gains(seen: Tensor, paint: Tensor) -> Tensor:
    """What one step of the photo is in the painting, -1 to 1, as ``ZERO`` and more or less."""
    mean, painted = _mean(seen, AROUND), _mean(paint, AROUND)
    variance = _mean(seen * seen, AROUND) - mean * mean
    gain = (_mean(seen * paint, AROUND) - mean * painted) / (variance + GRAIN**2)
    return _mean(gain, 1) * ONE + ZERO


def _halved(levels: Tensor) -> Tensor:
    return _enlarged(levels, *(max(1, side // 2) for side in levels.shape[:2])).float()


def _tensor(pixels: Pixels8) -> Tensor:
    """The same bytes for torch, which wants them writable though nothing writes them."""
    return torch.from_numpy(np.require(pixels, requirements=["C", "W"]))


def _over(values: Tensor, around: int, merge: Callable[..., Tensor]) -> Tensor:
    """``merge`` of the ``2 around + 1`` squared pixels about each of [height, width, channels], edges repeated."""
    for axis in (0, 1):
        length = values.shape[axis]
        places = torch.arange(-around, length + around).clamp_(0, length - 1)
        wide = values.index_select(axis, places)
        values = wide.narrow(axis, 0, length).clone()
        for offset in range(1, 2 * around + 1):
            merge(values, wide.narrow(axis, offset, length), out=values)
    return values


def _mean(values: Tensor, around: int) -> Tensor:
    return _over(values, around, torch.add).div_((2 * around + 1) ** 2)


def _enlarged(values: Tensor, height: int, width: int) -> Tensor:
    """[h, w, 3] in 0..255, or what is cut to that, as bytes [height, width, 3]."""
    levels = values if values.dtype == torch.uint8 else values.round_().clamp_(0, 255).byte()
    batch = levels[None].permute(0, 3, 1, 2)  # in this order torch sees that channels lie innermost
    return functional.interpolate(batch, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
