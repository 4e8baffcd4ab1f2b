"""The picture that another begins from: read safely, brought to the size of the result, with what is to be made anew.

Knows pictures and requests; not models. All sizes are in pixels of the result, width before height.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from pipelines.errors import StudioError
from pipelines.image.request import ImageRequest
from pipelines.pictures import open_drawing, open_picture

#: a side of the result, whatever the source's shape
SHORTEST, LONGEST = 64, 2048
_RESAMPLING = Image.Resampling.LANCZOS


@dataclass(frozen=True)
class Source:
    """``picture`` (RGB, or RGBA of stickers) and ``mask`` (L, white where it is made anew), of the result's size.

    Without a mask all of it may change. ``kept`` is what the result has where the mask is black.
    """

    picture: Image.Image
    mask: Image.Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.size

    def put_back(self, made: Image.Image) -> Image.Image:
        """``made`` where it was to be made anew, the source itself everywhere else."""
        if self.mask is None:
            return made
        return Image.composite(made, self.picture.convert(made.mode), self.mask)


def read_source(request: ImageRequest, read: Callable[[str], bytes], step: int) -> Source | None:
    """What ``request`` begins from, its sides multiples of ``step``; None where it begins from words.

    Raises ``StudioError`` for a file that cannot be read, and for a mask with nothing painted.
    """
    if request.method == "words" or request.source is None:
        return None
    picture = open_picture(read(request.source))
    mask = _painted(read(request.mask), picture.size) if request.method == "paint" and request.mask else None
    if request.method == "extend":
        return _extended(picture, request, step)
    size = result_size(picture.size, request, step)
    fitted = Source(_fit(picture, size, request.shape), None if mask is None else _fit(mask, size, request.shape))
    return replace(fitted, mask=None if fitted.mask is None else _soft(fitted.mask, request.feather))


def read_drawing(request: ImageRequest, read: Callable[[str], bytes], edge: int) -> Source | None:
    """The same for stickers: RGBA, a square of ``edge``, all of the picture in it."""
    if request.method == "words" or request.source is None:
        return None
    picture = open_drawing(read(request.source))
    mask = _painted(read(request.mask), picture.size) if request.method == "paint" and request.mask else None
    square = ImageOps.pad(picture, (edge, edge), _RESAMPLING, color=(0, 0, 0, 0))
    if mask is None:
        return Source(square)
    return Source(square, _soft(ImageOps.pad(mask, (edge, edge), Image.Resampling.BILINEAR, color=0), request.feather))


def result_size(source: tuple[int, int], request: ImageRequest, step: int) -> tuple[int, int]:
    """Width and height of the result, both multiples of ``step``."""
    if request.shape != "source":
        return request.width, request.height
    scale = math.sqrt(request.width * request.height / (source[0] * source[1]))
    return _rounded(source[0] * scale, step), _rounded(source[1] * scale, step)


def _rounded(side: float, step: int) -> int:
    lowest, highest = math.ceil(SHORTEST / step) * step, LONGEST // step * step
    return min(highest, max(lowest, round(side / step) * step))


def _fit(picture: Image.Image, size: tuple[int, int], shape: str) -> Image.Image:
    if shape == "stretch":
        return picture.resize(size, _RESAMPLING)
    return ImageOps.fit(picture, size, _RESAMPLING)  # with the source's own shape hardly anything is cut off


def _painted(data: bytes, size: tuple[int, int]) -> Image.Image:
    """The mask at the source's size. It may have been painted on a smaller copy."""
    mask = open_picture(data, (0, 0, 0)).convert("L")
    if not mask.getextrema()[1]:
        raise StudioError(
            "image.mask_empty", "The mask is all black, so nothing would be made anew. Paint over some of the picture."
        )
    return mask if mask.size == size else mask.resize(size, Image.Resampling.BILINEAR)


def _soft(mask: Image.Image, feather: int) -> Image.Image:
    """``mask`` with soft edges; what was painted stays painted through."""
    if not feather:
        return mask
    return mask.filter(ImageFilter.MaxFilter(2 * (feather // 2) + 1)).filter(ImageFilter.GaussianBlur(feather / 2))


def _extended(picture: Image.Image, request: ImageRequest, step: int) -> Source:
    """The source with margins. They begin as its border pulled outwards and blurred, which the model starts from."""
    left, right, top, bottom = request.margins()
    inner = result_size(picture.size, request, step)
    width, height = inner[0] + left + right, inner[1] + top + bottom
    wide, high = math.ceil(width / step) * step, math.ceil(height / step) * step
    right, bottom = right + wide - width, bottom + high - height
    if max(wide, high) > LONGEST:
        raise StudioError(
            "image.extended",
            "With these margins the picture would have {width} x {height} pixels; a side may have at most {limit}. "
            "Take smaller margins or a smaller size.",
            width=wide,
            height=high,
            limit=LONGEST,
        )
    fitted = _fit(picture, inner, request.shape)
    canvas = Image.fromarray(np.pad(np.asarray(fitted), ((top, bottom), (left, right), (0, 0)), mode="edge"))
    canvas = canvas.filter(ImageFilter.GaussianBlur(16))
    canvas.paste(fitted, (left, top))
    kept = np.full((high, wide), 255, np.uint8)
    inside = min(request.feather, inner[0] // 4, inner[1] // 4)  # the new may reach in so far, where it borders on it
    kept[
        top + inside * (top > 0) : high - bottom - inside * (bottom > 0),
        left + inside * (left > 0) : wide - right - inside * (right > 0),
    ] = 0
    blurred = Image.fromarray(kept).filter(ImageFilter.GaussianBlur(inside / 2))
    whole = np.asarray(blurred).copy()
    outside = np.ones_like(whole, bool)
    outside[top : high - bottom, left : wide - right] = False
    whole[outside] = 255
    return Source(canvas, Image.fromarray(whole))
