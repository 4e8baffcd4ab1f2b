"""Draws the abstract example style pictures of ``assets/examples/styles``, as no painting could be shipped.

``python -m pipelines.style.patterns OUT``. Numbers only, the same picture every time; knows nothing of the networks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Field: TypeAlias = npt.NDArray[np.float64]

SIDE = 640


def noise(random: np.random.Generator, cells: int) -> Field:
    """Smooth noise [SIDE, SIDE] in 0..1 whose hills are about SIDE / cells wide."""
    coarse = Image.fromarray((random.random((cells, cells)) * 255).astype(np.uint8))
    smooth: Field = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float64) / 255
    return smooth


def colored(values: Field, palette: tuple[str, ...]) -> Field:
    """``values`` in 0..1 as colours [..., 3], going from one colour of ``palette`` to the next."""
    stops = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in palette], dtype=np.float64)
    places = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(values, places, stops[:, channel]) for channel in range(3)], axis=-1)


def marbling(random: np.random.Generator) -> Field:
    """Inks combed on water: stripes carried away by noise, twice."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    drift = noise(random, 5) + 0.35 * noise(random, 14)
    stripes = 0.5 + 0.5 * np.sin(2 * np.pi * (5 * y + 2.4 * drift + 0.8 * np.sin(2 * np.pi * (x + drift))))
    grain = 0.94 + 0.12 * (noise(random, 220) - 0.5)
    return colored(stripes, ("#12355b", "#1f7a8c", "#f2efe6", "#e9a23b", "#c8553d", "#420039")) * grain[..., None]


def waves(random: np.random.Generator) -> Field:
    """Rows of woodblock waves: arcs with a pale crest and engraved lines, nearer rows over farther ones."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    picture = colored(y / SIDE, ("#efe3c8", "#e8c9a0", "#d99a6c"))
    for row in range(14):
        base, width = 60 + row * 44, 150 - 3 * row
        phase = x / width + 0.5 * (row % 2) + 0.25 * noise(random, 6)
        crest = base + 34 * np.abs(np.sin(np.pi * phase)) ** 0.8
        depth = y - crest
        lines = 0.5 + 0.5 * np.sin(depth / 3.2 + 6 * noise(random, 9))
        inked = colored(0.35 + 0.5 * lines * np.exp(-depth.clip(0) / 60), ("#0b2545", "#13315c", "#8da9c4", "#eef4ed"))
        inked[depth < 6] = (238, 244, 237)
        picture = np.where((depth > 0)[..., None], inked, picture)
    return picture


def shards(random: np.random.Generator) -> Field:
    """A mosaic of leaded glass: the cells of random points, bright colours, dark seams."""
    points = random.random((260, 2)) * SIDE
    hues = colored(random.random(260), ("#d62839", "#f7b32b", "#fcf6b1", "#2d936c", "#1b4d89", "#6a2c70"))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    bend = 26 * (noise(random, 10) - 0.5)
    nearest, second, cell = np.full((SIDE, SIDE), np.inf), np.full((SIDE, SIDE), np.inf), np.zeros((SIDE, SIDE), int)
    for index, (row, column) in enumerate(points):
        distance = np.hypot(y + bend - row, x - bend - column)
        cell = np.where(distance < nearest, index, cell)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    seam = np.clip((second - nearest) / 5, 0, 1)[..., None]
    shine = 0.8 + 0.35 * noise(random, 40)[..., None]
    glass: Field = seam * hues[cell] * shine + (1 - seam) * np.array([24.0, 22.0, 28.0])
    return glass


PATTERNS = {"marbling": marbling, "woodblock-waves": waves, "leaded-glass": shards}


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for number, (name, draw) in enumerate(PATTERNS.items()):
        pixels = draw(np.random.default_rng(number))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m pipelines.style.patterns OUT")
    main(Path(sys.argv[1]))
