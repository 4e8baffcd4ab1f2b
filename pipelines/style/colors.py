"""Lets a painting keep the photo's colours. Knows numbers only: rows of red, green and blue in 0..1."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.float32]

#: luma of red, green and blue (ITU-R BT.601, as in JPEG)
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def keep_colors(painting: Pixels, photo: Pixels) -> Pixels:
    """The painting's luma with the photo's chroma, both [height, width, 3].

    Chroma is what is left of a colour when its luma is taken from all three channels; it is the same as Cb and Cr up
    to a factor. Where luma and chroma together leave 0..1, the chroma is made smaller and the luma kept: clipping
    would change the hue.
    """
    luma = (painting @ LUMA)[..., None]
    chroma = photo - (photo @ LUMA)[..., None]
    room = np.where(chroma > 0, 1 - luma, luma)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(chroma == 0, np.float32(1), room / np.abs(chroma))
    share = np.clip(share.min(axis=-1, keepdims=True), 0, 1)
    kept: Pixels = np.clip(luma + share * chroma, 0, 1, dtype=np.float32)
    return kept


def matching(painting: npt.NDArray[np.int64], photo: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """For each of the 256 values of each channel the one that gives a painting the photo's histogram, [256, 3].

    Both are counts [256, 3]. Gonzalez and Woods, Digital Image Processing, section 3.3: the value whose share of
    pixels at or below it is the photo's.
    """
    table = np.empty((256, 3), dtype=np.uint8)
    for channel in range(3):
        have, want = (np.cumsum(counts[:, channel]) / max(1, counts[:, channel].sum()) for counts in (painting, photo))
        table[:, channel] = np.searchsorted(want, have - 1e-9).clip(0, 255)
    return table


def histogram(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How often each value is there in each channel of [height, width, 3]: [256, 3]."""
    return np.stack([np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(3)], axis=-1)
