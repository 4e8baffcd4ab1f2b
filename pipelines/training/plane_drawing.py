"""Draws points in the plane: real ones, generated ones, and the discriminator's scores beneath them.

Knows numpy and Pillow; nothing of where the points come from. Dark like the grids of pictures, so that it sits quietly
in a light and in a dark page.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

EDGE = 512
#: the plane from -VIEW to VIEW is seen, in both directions
VIEW = 1.45
#: the field is measured at FIELD x FIELD places and smoothed in between
FIELD = 96
FINE = 3  # drawn so many times larger, for soft edges

Floats = npt.NDArray[np.float32]

GROUND = (24, 22, 20)
REAL_SIDE, FAKE_SIDE = (24, 128, 120), (122, 56, 44)  # teal where it believes, rust where it does not
REAL, FAKE, EDGED = (236, 232, 225), (250, 190, 84), (24, 20, 16)
REAL_RADIUS, FAKE_RADIUS = 1.7, 2.2
#: scores are never stretched further than this, so that a discriminator that sees nothing leaves the ground dark
SOFTEST = 0.05


def field_places() -> Floats:
    """Where the field is measured, (FIELD * FIELD, 2), row by row from the top left."""
    along = ((np.arange(FIELD) + 0.5) / FIELD * 2 * VIEW - VIEW).astype(np.float32)
    across, down = np.meshgrid(along, -along)
    places: Floats = np.stack([across, down], -1).reshape(-1, 2)
    return places


def draw_plane(real: Floats, fake: Floats | None = None, field: Floats | None = None, wide: int = 1) -> Image.Image:
    """A picture of ``EDGE`` pixels' height, ``wide`` times as wide.

    ``real`` and ``fake`` (N, 2); ``field`` (FIELD, FIELD), positive where points pass as real.
    """
    page = _ground(field).resize((FINE * EDGE, FINE * EDGE), Image.Resampling.BICUBIC)
    if wide > 1:
        wider = Image.new("RGB", (wide * page.width, page.height), GROUND)
        wider.paste(page, ((wide - 1) * page.width // 2, 0))
        page = wider
    _dots(page, real, REAL_RADIUS, REAL, None)
    if fake is not None:
        _dots(page, fake, FAKE_RADIUS, FAKE, EDGED)
    return page.resize((wide * EDGE, EDGE), Image.Resampling.BOX)


def _ground(field: Floats | None) -> Image.Image:
    """The heat map, from rust over the dark ground to teal."""
    if field is None:
        return Image.new("RGB", (FIELD, FIELD), GROUND)
    strength = np.tanh(field / max(float(field.std()), SOFTEST))[..., None]
    ground, sides = np.array(GROUND), np.where(strength > 0, REAL_SIDE, FAKE_SIDE)
    colours = ground + np.abs(strength) * (sides - ground)
    return Image.fromarray(colours.round().astype(np.uint8))


def _dots(
    page: Image.Image, points: Floats, radius: float, colour: tuple[int, int, int], edge: tuple[int, int, int] | None
) -> None:
    pen, size = ImageDraw.Draw(page), FINE * EDGE
    places = (points * (1, -1) + VIEW) / (2 * VIEW) * size + ((page.width - size) / 2, 0)
    reach = radius * FINE
    for x, y in places[np.isfinite(places).all(1)].tolist():
        if edge is not None:
            pen.ellipse((x - reach - FINE, y - reach - FINE, x + reach + FINE, y + reach + FINE), fill=edge)
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
