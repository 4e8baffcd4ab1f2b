"""Colour pictures as a few lossless WebP sheets, one for each class: a quarter of their size as raw pixels, or less.

Knows numpy and Pillow. Which sheets there are, and what they hold, says ``datasets``.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import StudioError
from pipelines.training.idx import Bytes

COLUMNS = 40
#: of each colour; all 256 would make the files nearly three times as large, for differences nobody sees
LEVELS = 32


def write_sheet(pictures: Bytes) -> bytes:
    """``pictures`` (N, S, S, 3), row by row, as they are."""
    count, edge = len(pictures), pictures.shape[1]
    rows = -(-count // COLUMNS)
    page = np.zeros((rows * COLUMNS, edge, edge, 3), np.uint8)
    page[:count] = pictures
    sheet = page.reshape(rows, COLUMNS, edge, edge, 3).swapaxes(1, 2).reshape(rows * edge, COLUMNS * edge, 3)
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "WEBP", lossless=True, quality=75, method=4)
    return out.getvalue()


def read_sheet(path: Path, count: int, edge: int) -> Bytes:
    """The first ``count`` pictures (count, edge, edge, 3). Raises ``StudioError`` where the sheet is another."""
    with Image.open(path) as picture:
        if picture.size != (COLUMNS * edge, -(-count // COLUMNS) * edge):
            raise StudioError(
                "data.sheet",
                "The sheet {file} has {width} x {height} pixels, not those of the {count} pictures published.",
                file=path.name,
                width=picture.width,
                height=picture.height,
                count=count,
            )
        sheet = np.asarray(picture.convert("RGB"))
    pages = sheet.reshape(-1, edge, COLUMNS, edge, 3).swapaxes(1, 2).reshape(-1, edge, edge, 3)
    return np.ascontiguousarray(pages[:count])


def levelled(pictures: Bytes) -> Bytes:
    """The nearest of ``LEVELS`` values for each; black and white stay what they are."""
    step = 255 / (LEVELS - 1)
    nearest: Bytes = np.round(np.round(pictures / step) * step).astype(np.uint8)
    return nearest


def halved(pictures: Bytes) -> Bytes:
    """The mean of each 2 x 2 pixels of ``pictures`` (N, S, S, C), rounded to nearest, halves up."""
    count, edge, _, channels = pictures.shape
    sums = pictures.reshape(count, edge // 2, 2, edge // 2, 2, channels).sum((2, 4), dtype=np.uint16)
    means: Bytes = ((sums + 2) // 4).astype(np.uint8)
    return means
