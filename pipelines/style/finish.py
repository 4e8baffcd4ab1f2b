"""From paintings to the picture a person gets: mixing, regions, colours, lines, strength, mask, transparency.

Knows pixels only. Works on a few rows at a time, so that a large photo needs no second copy in floating point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from pipelines.style.bands import Plane
from pipelines.style.colors import Pixels, histogram, keep_colors, matching
from pipelines.style.lines import radius, with_lines
from pipelines.style.masks import Coverage
from pipelines.style.photo import Photo, Pixels8

ROWS = 256


@dataclass(frozen=True)
class Layer:
    """A painting as large as the photo. ``share`` of it is in the result, the rest being the photo.

    ``weight`` where it is mixed with others; or ``where`` it is painted over them.
    """

    pixels: Pixels8
    share: float
    weight: float = 1.0
    where: Coverage | None = None


@dataclass(frozen=True)
class Finish:
    """``palette``: style, photo or matched. ``detail`` of the photo's lines, 0 to 1. ``mask``: where paint shows."""

    palette: str = "style"
    detail: float = 0.0
    mask: Coverage | None = None


@torch.inference_mode()
def pixels_of(plane: Plane, width: int, height: int, between: Callable[[], None]) -> Pixels8:
    """The painting ``plane`` (before its sigmoid, perhaps larger) as bytes [height, width, 3]."""
    result = np.empty((height, width, 3), dtype=np.uint8)
    for first in range(0, height, ROWS):
        last = min(first + ROWS, height)
        rows = torch.sigmoid(plane.read(first, last)[:, :width].float())
        result[first:last] = rows.mul_(255).round_().byte().cpu().numpy()
        between()
    return result


class Composition:
    """``layers`` over ``photo``, finished."""

    def __init__(self, photo: Photo, layers: Sequence[Layer], finish: Finish, between: Callable[[], None]) -> None:
        self.photo, self.finish, self.between = photo, finish, between
        self.mixed = [layer for layer in layers if layer.where is None]
        self.over = [layer for layer in layers if layer.where is not None]
        self.whole = sum(layer.weight for layer in self.mixed)
        self.around = radius(*photo.pixels.shape[:2]) if finish.detail > 0 else 0

    def picture(self) -> Image.Image:
        """The result, of the photo's size, with the photo's transparency. ``between`` may raise to stop."""
        picture = Image.fromarray(self.mixed[0].pixels if self._is_plain() else self._all_rows())
        if self.photo.alpha is not None:
            picture.putalpha(self.photo.alpha)
        return picture

    def _is_plain(self) -> bool:
        """Whether the one painting there is is the picture."""
        as_it_is = self.finish.palette == "style" and self.finish.detail == 0 and self.finish.mask is None
        return as_it_is and not self.over and len(self.mixed) == 1 and self.mixed[0].share == 1

    def _all_rows(self) -> Pixels8:
        table = self._table() if self.finish.palette == "matched" else None
        result = np.empty_like(self.photo.pixels)
        for first, last in self._bands():
            result[first:last] = self._rows(first, last, table)
            self.between()
        return result

    def _bands(self) -> list[tuple[int, int]]:
        height = len(self.photo.pixels)
        return [(first, min(first + ROWS, height)) for first in range(0, height, ROWS)]

    def _rows(self, first: int, last: int, table: Pixels8 | None) -> Pixels8:
        """Rows ``first`` to ``last`` of the result."""
        start, stop = max(0, first - self.around), min(len(self.photo.pixels), last + self.around)
        paint, share = self._paint(start, stop)
        if table is not None:
            levels = np.rint(paint * 255).astype(np.uint8)
            paint = np.stack([table[levels[..., n], n] for n in range(3)], axis=-1).astype(np.float32) / np.float32(255)
        before = self.photo.pixels[start:stop].astype(np.float32) / np.float32(255)
        if self.finish.palette == "photo":
            paint = keep_colors(paint, before)
        if self.finish.detail > 0:
            paint = with_lines(paint, before, self.finish.detail, self.around)
        if self.finish.mask is not None:
            share = share * (self.finish.mask[start:stop, :, None].astype(np.float32) / np.float32(255))
        mixed = before + share * (paint - before)
        inner: Pixels8 = np.rint(mixed[first - start : last - start] * 255).astype(np.uint8)
        return inner

    def _paint(self, first: int, last: int) -> tuple[Pixels, Pixels]:
        """What all layers paint in these rows, in 0..1, and the share of it, [rows, 1 or width, 1]."""
        paint = np.zeros((last - first, *self.photo.pixels.shape[1:]), dtype=np.float32)
        share = np.zeros((1, 1, 1), dtype=np.float32)
        for layer in self.mixed:
            weight = np.float32(layer.weight / self.whole)
            paint += layer.pixels[first:last] * (weight / np.float32(255))
            share = share + weight * np.float32(layer.share)
        for layer in self.over:
            if layer.where is not None:
                where = layer.where[first:last, :, None] / np.float32(255)
                paint += where * (layer.pixels[first:last] / np.float32(255) - paint)
                share = share + where * (np.float32(layer.share) - share)
        return paint, share

    def _table(self) -> Pixels8:
        """What turns the painting's colours into those of the photo's histogram, from the whole of both."""
        counts = np.zeros((256, 3), dtype=np.int64)
        for first, last in self._bands():
            counts += histogram(np.rint(self._paint(first, last)[0] * 255).astype(np.uint8))
            self.between()
        return matching(counts, histogram(self.photo.pixels))
