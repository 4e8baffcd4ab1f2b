"""What a picture looks like as numbers: its colours, where they lie, and its edges. Plain numpy, a few milliseconds.

No network was trained for this, and it knows nothing of what a picture shows: two red cars are alike because they are
red and have like outlines. Three parts, each of unit length, so that the cosine of two pictures is the weighted mean of
three cosines:

- colours: a histogram over CIELAB, 4 x 6 x 6 bins, each pixel shared out among its neighbours, square roots of the
  shares (Bhattacharyya), so that small and large areas both count;
- layout: the mean colour of each of 4 x 4 fields, less the mean of the picture;
- edges: gradient directions in 9 steps over 4 x 4 fields, by their strength (Dalal and Triggs 2005), square roots.

Transparent pixels count for nothing.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]

#: names the way these numbers are made: change it where they change, and all are made anew
MAKER = "looks-1"
EDGE, FIELDS, TURNS = 96, 4, 9
BINS = (4, 6, 6)
#: how much each part counts: colours, layout, edges
WEIGHTS = (0.4, 0.2, 0.4)
LENGTH = BINS[0] * BINS[1] * BINS[2] + FIELDS * FIELDS * 3 + FIELDS * FIELDS * TURNS
_LIGHTNESS = np.float32(100)
_REACH = np.float32(60)  # of a* and b*: more saturated colours share the last bin
#: sRGB to CIE XYZ, D65 (IEC 61966-2-1), each row divided by the white point
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_XYZ = (_XYZ / _XYZ.sum(axis=1, keepdims=True)).astype(np.float32)


def looks(data: bytes) -> Array:
    """An encoded picture as a vector [LENGTH] of unit length. Raises what Pillow raises where it is none."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("RGB", (2 * EDGE, 2 * EDGE))
        small = picture.convert("RGBA").resize((EDGE, EDGE), Image.Resampling.BOX)
    pixels: Array = np.asarray(small, np.float32) / np.float32(255)
    solid: Array = pixels[..., 3]
    if float(solid.sum()) < 1:
        solid = np.ones_like(solid)  # nothing but transparency: as good as any other
    lab = _lab(pixels[..., :3])
    lab = np.asarray(np.where(solid[..., None] > 0, lab, 0), np.float32)
    parts = (_colours(lab, solid), _layout(lab, solid), _edges(lab[..., 0] * solid))
    return np.concatenate([np.sqrt(np.float32(w)) * _unit(part) for w, part in zip(WEIGHTS, parts, strict=True)])


def _lab(rgb: Array) -> Array:
    """sRGB in 0..1 to CIELAB (CIE 1976)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1).astype(
        np.float32
    )


def _colours(lab: Array, solid: Array) -> Array:
    """Shares of the colours; each pixel goes to the two nearest bins along each axis."""
    places = np.stack(
        [lab[..., 0] / _LIGHTNESS, lab[..., 1] / (2 * _REACH) + 0.5, lab[..., 2] / (2 * _REACH) + 0.5], -1
    )
    places = places.reshape(-1, 3).clip(0, 1) * (np.array(BINS, np.float32) - 1)
    low = np.floor(places).astype(np.intp).clip(0, np.array(BINS) - 2)
    share = places - low
    found = np.zeros(BINS, np.float32)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1 - share), axis=1) * solid.ravel()
        np.add.at(found, tuple((low + corner).T), weight.astype(np.float32))
    return np.asarray(np.sqrt(found.ravel() / max(float(found.sum()), 1e-6)), np.float32)


def _layout(lab: Array, solid: Array) -> Array:
    """The mean colour of each field less that of the whole, by how solid the field is."""
    weighted, weight = _fields(lab * solid[..., None]), _fields(solid[..., None])
    mean = (lab * solid[..., None]).sum((0, 1)) / max(float(solid.sum()), 1e-6)
    return np.asarray((weighted - mean * weight).ravel(), np.float32)


def _edges(light: Array) -> Array:
    """How strongly the lightness changes in which direction, field by field; opposite directions are one."""
    down, across = np.gradient(light)
    strength = np.hypot(down, across)
    turn = (np.arctan2(down, across) % np.pi) / np.pi * TURNS
    low = np.floor(turn).astype(np.intp) % TURNS
    share = (turn - np.floor(turn)).astype(np.float32)
    bins = np.zeros((EDGE, EDGE, TURNS), np.float32)
    rows, columns = np.indices((EDGE, EDGE))
    bins[rows, columns, low] += strength * (1 - share)
    bins[rows, columns, (low + 1) % TURNS] += strength * share
    return np.asarray(np.sqrt(_fields(bins)).ravel(), np.float32)


def _fields(values: Array) -> Array:
    """[EDGE, EDGE, C] to the means of FIELDS x FIELDS."""
    side = EDGE // FIELDS
    return np.asarray(values.reshape(FIELDS, side, FIELDS, side, -1).mean((1, 3)), np.float32)


def _unit(part: Array) -> Array:
    return np.asarray(part / max(float(np.linalg.norm(part)), 1e-6), np.float32)
