"""Where a photo is painted: a mask as coverage of the whole and of three regions, its edges as soft as wanted.

Knows Pillow. White (or any brightness) is painted, black is not; red, green and blue are regions 1, 2 and 3. What is
transparent counts as black.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from pipelines.pictures import open_picture

#: [height, width], 255 where it covers
Coverage: TypeAlias = npt.NDArray[np.uint8]


class Mask:
    """A mask made as large as the photo. ``soft`` is in hundredths of the photo's shorter side."""

    def __init__(self, data: bytes, size: tuple[int, int], soft: float, inverse: bool) -> None:
        picture = open_picture(data, background=(0, 0, 0))
        self._picture = picture.resize(size, Image.Resampling.BILINEAR) if picture.size != size else picture
        self._blur = soft / 100 * min(size)
        self._inverse = inverse

    def whole(self) -> Coverage:
        """What is painted at all: the brightest of the three."""
        red, green, blue = self._picture.split()
        return self._softened(ImageChops.lighter(ImageChops.lighter(red, green), blue))

    def region(self, number: int) -> Coverage:
        """Region 1, 2 or 3."""
        return self._softened(self._picture.getchannel(number - 1))

    def _softened(self, channel: Image.Image) -> Coverage:
        if self._inverse:
            channel = ImageChops.invert(channel)
        if self._blur > 0:
            channel = channel.filter(ImageFilter.GaussianBlur(self._blur / 2))
        return np.asarray(channel)
