"""All built-in styles on one photo, small and side by side, so that people can choose instead of guess.

Knows the painters and where on the sheet each style is; what is written under a picture is English, as a file goes
where nobody knows who will read it. The page writes its own names over it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from pipelines.base import Artifact, Event, Preview, Progress, Result, Scalar, Turn
from pipelines.pictures import png, webp
from pipelines.style.multistyle import STYLES as COUNT
from pipelines.style.networks import Networks
from pipelines.style.painters import Painters, Pass, resized
from pipelines.style.photo import open_photo
from pipelines.style.reckoning import CELL, within
from pipelines.style.request import StyleRequest
from pipelines.style.styles import STYLES

GAP, LABEL = 12, 26
GROUND, INK = (250, 249, 247), (32, 30, 27)
#: width over height that the whole sheet comes near to
SHAPE = 1.4


class Sheet:
    """Runs a request for the sheet. A sheet that is finished early has the styles that were painted until then."""

    def __init__(self, networks: Networks, request: StyleRequest, turn: Turn) -> None:
        self.networks, self.request, self.turn = networks, request, turn
        self.painters = Painters(networks, request, turn)

    def events(self) -> Iterator[Event]:
        """Progress and the sheet so far, then the result."""
        began = time.monotonic()
        with self.turn.aside():
            photo = open_photo(self.turn.read(self.request.photo))
        height, width, _ = photo.pixels.shape
        small = resized(photo.pixels, within(width, height, CELL))
        columns, cell = layout(small.shape[1], small.shape[0])
        rows = -(-len(STYLES) // columns)
        sheet = Image.new("RGB", (columns * cell[0] + GAP, rows * cell[1] + GAP), GROUND)
        for number, style in enumerate(STYLES):
            yield Progress("painting", number, len(STYLES), "picture")
            mix = torch.zeros(COUNT)
            mix[style.index] = 1
            stack = self.networks.multistyle.stack(mix.to(self.networks.device.torch_device))
            (layer,) = yield from self.painters.fast(small, [Pass("builtin", stack, 1.0, 1.0, 0)], {}, told=False)
            place = (GAP + number % columns * cell[0], GAP + number // columns * cell[1])
            _put(sheet, Image.fromarray(layer.pixels), place, style.en)
            if number % columns == columns - 1:
                yield Preview(number + 1, len(STYLES), webp(sheet, 70))
            if self.turn.finishing:
                break
        yield Progress("saving")
        with self.turn.aside():
            data = png(sheet)
        facts: dict[str, Scalar] = {
            "sheet": True,
            "styles": len(STYLES),
            "columns": columns,
            "cell_width": cell[0],
            "cell_height": cell[1],
            "gap": GAP,
            "picture_width": small.shape[1],
            "picture_height": small.shape[0],
            "width": sheet.width,
            "height": sheet.height,
            "seconds": round(time.monotonic() - began, 3),
            "model_sha256": self.networks.multistyle_sha256,
            **{f"rate_{engine}": round(rate, 4) for engine, rate in self.painters.rates.items()},
        }
        yield Result((Artifact("all-styles.png", "image/png", data, "All styles", facts),), facts)


def layout(width: int, height: int) -> tuple[int, tuple[int, int]]:
    """How many pictures of this size stand side by side, and the size of each cell with its gap and its label."""
    cell = (max(width, 90) + GAP, height + LABEL + GAP)
    columns = round(float(np.sqrt(SHAPE * len(STYLES) * cell[1] / cell[0])))
    return min(len(STYLES), max(2, columns)), cell


def _put(sheet: Image.Image, painted: Image.Image, place: tuple[int, int], name: str) -> None:
    sheet.paste(painted, place)
    font = ImageFont.load_default(14)
    ImageDraw.Draw(sheet).text((place[0], place[1] + painted.height + 4), name, INK, font)
