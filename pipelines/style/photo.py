"""The photo that is painted: upright pixels, their transparency, and the frame the networks need.

Knows Pillow and numpy, not torch. Reading and refusing is ``pipelines.pictures``'s; here only what a painting gives
back is added: the transparency it keeps, and the photo as it was where the strength is 0.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from pipelines.pictures import FORMATS, open_picture

Pixels8: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """``pixels`` [height, width, 3], transparency laid on white; ``original`` is RGB, or RGBA if it has any."""

    pixels: Pixels8
    original: Image.Image

    @property
    def alpha(self) -> Image.Image | None:
        return self.original.getchannel("A") if self.original.mode == "RGBA" else None


def open_photo(data: bytes) -> Photo:
    """Reads a picture of any mode. Raises ``StudioError`` as ``open_picture`` does."""
    flat = open_picture(data)
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if not picture.has_transparency_data:
            return Photo(np.asarray(flat), flat)
        original = ImageOps.exif_transpose(picture).convert("RGBA")
    opaque = original.getchannel("A").getextrema() == (255, 255)
    return Photo(np.asarray(flat), flat if opaque else original)


def framed(pixels: Pixels8, multiple: int, least: int) -> Pixels8:
    """``pixels`` extended below and to the right by reflection to multiples of ``multiple``, at least ``least``."""
    height, width, _ = pixels.shape
    below, beside = (max(least, -(-side // multiple) * multiple) - side for side in (height, width))
    return np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="reflect") if below or beside else pixels


def central_square(pixels: Pixels8, side: int) -> Pixels8:
    """The largest square in the middle, resized to ``side``: what Magenta shows its style predictor."""
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), (side, side), Image.Resampling.LANCZOS))
