"""From what the network says to the picture a person gets: activation, colours, strength, transparency.

Knows pixels only. Works on a few rows at a time, so that a large photo needs no second copy in floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from pipelines.style.bands import Plane
from pipelines.style.colors import Pixels, keep_colors
from pipelines.style.photo import Photo

ROWS = 256


@dataclass(frozen=True)
class Finish:
    """``share`` of the painting in the result, the rest being the photo."""

    share: float
    keep_colors: bool


@torch.inference_mode()
def finished(plane: Plane, photo: Photo, finish: Finish, between: Callable[[], None]) -> Image.Image:
    """The painting ``plane`` (before its sigmoid, perhaps larger than the photo) as a picture of the photo's size.

    ``between`` is called after every few rows; it may raise to stop.
    """
    height, width, _ = photo.pixels.shape
    result = np.empty_like(photo.pixels)
    for first in range(0, height, ROWS):
        last = min(first + ROWS, height)
        rows: Pixels = torch.sigmoid(plane.read(first, last)[:, :width].float()).cpu().numpy()
        before = photo.pixels[first:last].astype(np.float32) / np.float32(255)
        if finish.keep_colors:
            rows = keep_colors(rows, before)
        mixed = before + np.float32(finish.share) * (rows - before)
        result[first:last] = np.rint(mixed * 255)
        between()
    picture = Image.fromarray(result)
    if photo.alpha is not None:
        picture.putalpha(photo.alpha)
    return picture
