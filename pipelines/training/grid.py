"""Lays many small pictures out as one: sample grids, previews of a data set.

Knows numpy and Pillow. Knows nothing of where the pictures come from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

#: the warm dark of the workbench, so that the grid sits quietly in a light and in a dark page
BACKGROUND = 24
GAP = 1
APART = 6  # more, between the columns before a split and those after it


def compose(pictures: npt.NDArray[np.uint8], columns: int, edge: int = 512, split: int = 0) -> Image.Image:
    """``pictures`` (N, H, W, C) with C 1 or 3, row by row in ``columns``, enlarged to about ``edge`` pixels wide.

    Enlarged by a whole factor, so that every pixel of the model stays a square: nothing looks better than it is.
    ``split``: so many columns stand apart from the rest; 0 for none.
    """
    count, height, width, channels = pictures.shape
    rows = -(-count // columns)
    wide = columns * (width + GAP) + GAP + (APART if split else 0)
    sheet = np.full((rows * (height + GAP) + GAP, wide, channels), BACKGROUND, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top = GAP + row * (height + GAP)
        left = GAP + column * (width + GAP) + (APART if split and column >= split else 0)
        sheet[top : top + height, left : left + width] = picture
    image = Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    factor = max(1, round(edge / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
