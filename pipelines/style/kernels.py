"""Two ways to write a convolution so that a processor's vector registers are full.

Knows arithmetic on kernels and the order of pixels in a block, (row, column, channel); both ways give the same sums as
the plain convolution, in another order.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unblock(rows: Tensor) -> Tensor:
    """[h, w, (2, 2, c)] -> [2 h, 2 w, c]: the four pixels of each block to their places."""
    height, width, channels = rows.shape
    return rows.view(height, width, 2, channels // 2).transpose(1, 2).reshape(2 * height, 2 * width, channels // 4)


def block(rows: Tensor) -> Tensor:
    """[2 h, 2 w, c] -> [h, w, (2, 2, c)], the inverse of ``unblock``."""
    height, width, channels = rows.shape
    return rows.view(height // 2, 2, width // 2, 2 * channels).transpose(1, 2).reshape(height // 2, width // 2, -1)


def on_upsampled(kernel: Tensor) -> Tensor:
    """The kernel that does on a small map what ``kernel`` [o, i, 3, 3] does on the map doubled by nearest neighbour.

    The result is [(2, 2, o), i, 3, 3], a group of outputs for each pixel of a block: row 2 y + a of the doubled map
    reads its rows 2 y + a + t - 1 for t = 0, 1, 2, which are rows y + (a + t - 1) // 2 of the small one. A reflected
    border of the doubled map is a replicated one of the small map. The doubled map need not exist.
    """
    place = torch.zeros(2, 3, 3, dtype=kernel.dtype, device=kernel.device)  # [a, t, offset + 1]
    for a in range(2):
        for t in range(3):
            place[a, t, (a + t - 1) // 2 + 1] = 1
    return torch.einsum("atu,bsv,oits->aboiuv", place, place, kernel).flatten(0, 2)


def on_blocks(kernel: Tensor) -> Tensor:
    """The kernel [(2, 2, o), (2, 2, i), m, m] that does on blocks what ``kernel`` [o, i, k, k] does on their pixels.

    Three or four channels would leave most of a vector register idle; blocks have twelve or sixteen. Pixel a of block
    y reads pixels 2 y + a + t - k // 2, which are pixels (a + t - k // 2) mod 2 of blocks y + (a + t - k // 2) // 2.
    """
    size = kernel.shape[-1]
    half, reach = size // 2, (size // 2 + 1) // 2
    place = torch.zeros(2, 2, size, 2 * reach + 1, dtype=kernel.dtype, device=kernel.device)  # [a, pixel, t, offset]
    for a in range(2):
        for t in range(size):
            offset, pixel = divmod(a + t - half, 2)
            place[a, pixel, t, offset + reach] = 1
    wide = torch.einsum("aptu,bqsv,oits->abopqiuv", place, place, kernel)
    return wide.flatten(3, 5).flatten(0, 2)
