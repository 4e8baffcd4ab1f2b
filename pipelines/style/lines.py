"""Brings the photo's own lines back into a painting where the photo has some: letters, eyes, edges.

What is fine in a picture's luma is what is left when the mean around each pixel is taken away. Where the photo's luma
varies, its fine part takes the place of the painting's; a sky stays paint. Knows numbers only.
"""

from __future__ import annotations

import numpy as np

from pipelines.style.colors import LUMA, Pixels

#: a standard deviation of the luma around a pixel at which half of the photo's lines come back
HALF = 0.05


def radius(height: int, width: int) -> int:
    """Pixels around one that are its surroundings, in a photo of this size."""
    return max(3, min(height, width) // 90)


def with_lines(painting: Pixels, photo: Pixels, amount: float, around: int) -> Pixels:
    """``painting`` with ``amount`` (0 to 1) of the ``photo``'s lines, all [height, width, 3] in 0..1."""
    before, after = photo @ LUMA, painting @ LUMA
    mean = box(before, around)
    variance = np.clip(box(before * before, around) - mean * mean, 0, None)
    share = np.float32(amount) * variance / (variance + np.float32(HALF**2))
    change = share * ((before - mean) - (after - box(after, around)))
    lined: Pixels = np.clip(painting + change[..., None], 0, 1, dtype=np.float32)
    return lined


def box(values: Pixels, around: int) -> Pixels:
    """The mean of the ``2 around + 1`` squared pixels about each of [height, width]; fewer at the borders."""
    for axis in (0, 1):
        length = values.shape[axis]
        sums = np.cumsum(values, axis=axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis)), sums], axis)
        first = np.clip(np.arange(length) - around, 0, length)
        last = np.clip(np.arange(length) + around + 1, 0, length)
        count = (last - first).reshape((-1, 1) if axis == 0 else (1, -1))
        values = ((np.take(sums, last, axis) - np.take(sums, first, axis)) / count).astype(np.float32)
    return values
