"""What a painting by optimisation is measured by: the loss of Gatys et al., and its gradient, tile by tile.

"Image Style Transfer Using Convolutional Neural Networks" (Gatys, Ecker and Bethge, CVPR 2016), equations 1 to 7. Each
term is divided by the power of its target, so that one pair of weights suits every style and every size. A Gram matrix
is a sum over places: a large picture is looked at in overlapping tiles twice, first for the sums, then for the gradient
that all tiles share, which is the whole picture's and not an approximation of it. Knows no optimiser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from pipelines.style.features import CONTENT, REACH, STRIDE, STYLE, Features, Maps, gram, grams

#: weight of the style's terms together, the content's being 1 (beta over alpha, the paper's equation 7)
STYLE_WEIGHT = 400.0
#: edge of a tile in pixels: an evaluation of one is a turn on the device, and takes 2 s of a slow CPU's core at most
CPU_TILE = 512
GPU_TILE = 2048

Between = Callable[[], None]


@dataclass(frozen=True)
class Tile:
    """Rows and columns [top, bottom) x [left, right), and the same with the border that its features look at."""

    inner: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]

    def cut(self, picture: Tensor) -> Tensor:
        """Tile and border of ``picture`` [1, channels, height, width]."""
        top, bottom, left, right = self.outer
        return picture[:, :, top:bottom, left:right]

    def own(self, name: str, maps: Tensor) -> Tensor:
        """What of the tile's map ``name`` lies in the tile itself."""
        step, (first_row, _, first_column, _) = STRIDE[name], self.outer
        top, bottom = ((row - first_row) // step for row in self.inner[:2])
        left, right = ((column - first_column) // step for column in self.inner[2:])
        return maps[:, :, top:bottom, left:right]


def tiles(height: int, width: int, edge: int) -> list[Tile]:
    """Tiles that cover height x width, both multiples of 8; each is about ``edge`` pixels wide and high."""
    return [
        Tile(
            (top, bottom, left, right),
            (max(0, top - REACH), min(height, bottom + REACH), max(0, left - REACH), min(width, right + REACH)),
        )
        for top, bottom in _cuts(height, edge)
        for left, right in _cuts(width, edge)
    ]


def _cuts(length: int, edge: int) -> Iterator[tuple[int, int]]:
    count = -(-length // edge)
    places = [8 * round(length * index / count / 8) for index in range(count)] + [length]
    yield from pairwise(places)


class Objective:
    """The loss of a picture beside ``photo`` [1, 3, height, width] in 0..1, sides multiples of 8, and ``wanted``.

    ``wanted`` are the style's mean Gram matrices. ``between`` is called after each tile; it may raise to stop.
    """

    def __init__(
        self, features: Features, photo: Tensor, wanted: Mapping[str, Tensor], between: Between, edge: int = 0
    ) -> None:
        self.features, self.wanted, self.between = features, wanted, between
        height, width = photo.shape[2:]
        edge = edge or (CPU_TILE if photo.device.type == "cpu" else GPU_TILE)
        self.tiles = tiles(height, width, edge)
        self.places = {name: (height // step) * (width // step) for name, step in STRIDE.items()}
        self.power = {name: target.square().sum() for name, target in wanted.items()}
        self.content = list(self._contents(photo))
        self.content_power = torch.stack([part.float().square().sum() for part in self.content]).sum()

    @torch.no_grad()
    def _contents(self, photo: Tensor) -> Iterator[Tensor]:
        for tile in self.tiles:
            yield tile.own(CONTENT, self.features(tile.cut(photo))[CONTENT]).clone()
            self.between()

    def __call__(self, picture: Tensor) -> tuple[float, Tensor]:
        """The loss of ``picture``, and its gradient in the same shape."""
        if len(self.tiles) == 1:
            return self._tile(picture, self.tiles[0], self.content[0], None)
        missing = self._missing(picture)
        gradient = torch.zeros_like(picture)
        loss = sum((error.square().sum() / self.power[name] for name, error in missing.items()), torch.zeros(()))
        total = float(loss) * STYLE_WEIGHT / len(STYLE)
        for tile, content in zip(self.tiles, self.content, strict=True):
            part, slope = self._tile(picture, tile, content, missing)
            tile.cut(gradient).add_(slope)
            total += part
            self.between()
        return total, gradient

    @torch.no_grad()
    def _missing(self, picture: Tensor) -> dict[str, Tensor]:
        """The mean Gram matrices of the whole ``picture`` less those that are wanted."""
        sums: dict[str, Tensor] = {}
        for tile in self.tiles:
            maps = self.features(tile.cut(picture))
            for name in STYLE:
                found = gram(tile.own(name, maps[name]))
                sums[name] = sums[name] + found if name in sums else found
            self.between()
        return {name: total / self.places[name] - self.wanted[name] for name, total in sums.items()}

    def _tile(
        self, picture: Tensor, tile: Tile, content: Tensor, missing: Mapping[str, Tensor] | None
    ) -> tuple[float, Tensor]:
        """Loss and gradient of one tile. ``missing``: what is known of the whole; the style's loss is counted there."""
        with torch.enable_grad():
            cut = tile.cut(picture).detach().clone().requires_grad_()
            maps = self.features(cut)
            own = (tile.own(CONTENT, maps[CONTENT]).float() - content.float()).square().sum() / self.content_power
            style = self._style(maps) if missing is None else self._pull(maps, tile, missing)
            loss = own + STYLE_WEIGHT / len(STYLE) * style
            (gradient,) = torch.autograd.grad(loss, cut)  # in the order the convolutions like
        return float(own.detach() if missing is not None else loss.detach()), gradient.contiguous()

    def _style(self, maps: Maps) -> Tensor:
        """The style's terms of a picture that is one tile."""
        terms = [(found - self.wanted[name]).square().sum() / self.power[name] for name, found in grams(maps).items()]
        return torch.stack(terms).sum()

    def _pull(self, maps: Maps, tile: Tile, missing: Mapping[str, Tensor]) -> Tensor:
        """A number whose gradient in the tile is that of the style's terms of the whole picture."""
        terms = [
            (2 * missing[name] * gram(tile.own(name, maps[name]))).sum() / (self.places[name] * self.power[name])
            for name in STYLE
        ]
        return torch.stack(terms).sum()


@torch.no_grad()
def wanted_grams(features: Features, pictures: Sequence[tuple[float, Tensor]], between: Between) -> dict[str, Tensor]:
    """The Gram matrices of several style pictures mixed by weight; the weights add up to 1."""
    mixed: dict[str, Tensor] = {}
    for weight, picture in pictures:
        for name, found in whole_grams(features, picture, between).items():
            mixed[name] = mixed[name] + weight * found if name in mixed else weight * found
    return mixed


@torch.no_grad()
def whole_grams(features: Features, picture: Tensor, between: Between) -> dict[str, Tensor]:
    """The mean Gram matrices of one picture [1, 3, height, width], looked at in tiles where it is large."""
    picture = sized(picture, *(max(8, side // 8 * 8) for side in picture.shape[2:]))
    height, width = picture.shape[2:]
    sums: dict[str, Tensor] = {}
    for tile in tiles(height, width, CPU_TILE if picture.device.type == "cpu" else GPU_TILE):
        maps = features(tile.cut(picture))
        for name in STYLE:
            found = gram(tile.own(name, maps[name]))
            sums[name] = sums[name] + found if name in sums else found
        between()
    return {name: total / ((height // STRIDE[name]) * (width // STRIDE[name])) for name, total in sums.items()}


def sized(picture: Tensor, height: int, width: int) -> Tensor:
    """``picture`` [1, 3, h, w] at another size, smoothed where it becomes smaller."""
    if picture.shape[2:] == (height, width):
        return picture
    return functional.interpolate(picture, (height, width), mode="bicubic", antialias=True)
