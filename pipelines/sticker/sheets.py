"""Many stickers side by side on one background, for a look. Knows pictures only."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

#: light grey: white and black stickers show on it
BACKGROUND = 0.92


def sheet(pictures: Tensor, columns: int) -> Image.Image:
    """[N, 4, H, W] in -1..1, premultiplied -> one picture, rows of ``columns``."""
    values = (pictures.float() / 2 + 0.5).clamp(0, 1)
    opaque = (values[:, :3] + (1 - values[:, 3:]) * BACKGROUND).clamp(max=1)
    count, _, height, width = opaque.shape
    rows = -(-count // columns)
    page = torch.full((rows * columns, 3, height, width), BACKGROUND)
    page[:count] = opaque
    page = (
        page.reshape(rows, columns, 3, height, width).permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    )
    return Image.fromarray((page * 255).round().to(torch.uint8).numpy())
