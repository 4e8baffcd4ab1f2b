"""What a painting will take, before anything is loaded: bytes, and seconds where the device's rate is known.

Plain numbers about the networks, which a test holds to the networks themselves. Imports no torch: the page asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from pipelines.style.request import StyleRequest

#: what the edge is divided by in the coarse sizes of an optimisation, and the share of the steps taken there
SCALES = ((4, 0.1), (2, 0.2), (1, 0.7))
#: a coarse picture has at least so many pixels an edge: below, nothing of a style picture can be made out
LEAST = 96
#: numbers of the maps that exist at once for each pixel, as ``Stack.numbers_per_pixel`` has them: as it is, and frugal
NUMBERS = {"builtin": (40.0, 10.0), "picture": (12.0, 12.0)}
#: pixels above which the largest map is not kept
FRUGAL = 4_500_000
#: bytes for each pixel beside the maps: the photo, what the network reads of it, the painting, the picture
BESIDE = 16
#: bytes a painting of any size needs: the buffers of one band, prepared kernels, what the allocator keeps
FIXED = 64 << 20
#: of an optimisation, for each pixel: L-BFGS keeps ten pairs of pictures in float32; and of a tile, its maps and slopes
DESCENT, TILE_BYTES, TILE_PIXELS = 4 * 3 * 26, 2600, 608 * 608
#: pixels of a quick painting; a photo of up to ``NEARLY`` as many is painted whole
QUICK, NEARLY = 180_000, 1.6
#: bytes that it takes to bring one to the photo's size: for each pixel of the photo, and of the painting
LIFTED, LIFTING = 18, 150
#: edge of a painting on the sheet of all styles, and how many there are
CELL, STYLES = 320, 26

#: engine -> seconds for each million pixels that it looks at
Rates = Mapping[str, float]


@dataclass(frozen=True)
class Reckoned:
    """``millions`` of pixels that each engine will look at; ``seconds`` None where a rate is not known yet."""

    millions: Mapping[str, float]
    bytes: int
    seconds: float | None


def plan(height: int, width: int, steps: int) -> list[tuple[int, int, int]]:
    """(height, width, steps) of each size of an optimisation, coarse to fine, sides multiples of 8."""
    shorter = min(height, width)
    scales = [(factor, share) for factor, share in SCALES if factor == 1 or shorter // factor >= LEAST]
    whole = sum(share for _, share in scales)
    found, left = [], steps
    for factor, share in scales:
        count = left if factor == 1 else min(left - 1, round(steps * share / whole))
        left -= count
        if count > 0:
            found.append((max(8, height // factor // 8 * 8), max(8, width // factor // 8 * 8), count))
    return found


def within(width: int, height: int, edge: int) -> tuple[int, int]:
    """The size of a picture whose longer side is ``edge``, or as it is where that is smaller already."""
    factor = min(1.0, edge / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def passes(request: StyleRequest) -> dict[str, int]:
    """How often each network paints the whole photo: once for all that it mixes, and once for each region."""
    mixed = {"picture" if part.picture else "builtin" for part in request.everywhere}
    found = {name: int(name in mixed) for name in ("builtin", "picture")}
    for part in request.parts:
        if part.region:
            found["picture" if part.picture else "builtin"] += 1
    return found


def reckon(request: StyleRequest, width: int, height: int, item_bytes: int, rates: Rates) -> Reckoned:
    """What ``request`` takes for a photo of this size; ``item_bytes`` of each number, 2 or 4."""
    if request.what == "sheet":
        width, height = within(width, height, CELL)
        return _whole(
            {"builtin": STYLES * width * height / 1e6}, FIXED + _fast(width, height, item_bytes, "builtin"), rates
        )
    if request.engine == "finest":
        wide, high = within(width, height, request.edge)
        looked = sum(rows * columns * count for rows, columns, count in plan(high, wide, request.steps)) / 1e6
        needed = FIXED + BESIDE * width * height + DESCENT * wide * high + TILE_BYTES * min(wide * high, TILE_PIXELS)
        regions = len({part.region for part in request.parts if part.region})
        lifted = is_lifted(request, "finest", (wide, high), (width, height)) * (1 + regions) * width * height
        return _whole({"finest": looked, "lift": lifted / 1e6}, needed + LIFTED * width * height, rates)
    if request.what == "film":
        width, height = within(width, height, request.edge)
    millions, most = dict[str, float](), 0
    often = {name: count for name, count in passes(request).items() if count}
    for name, count in often.items():
        seen = wide, high = seen_size(request, name, width, height)
        needed = _fast(wide, high, item_bytes, name) + (6 * wide * high if seen != (width, height) else 0)
        millions[name] = count * wide * high / 1e6
        if is_lifted(request, name, seen, (width, height)):  # once the network's maps are gone
            millions["lift"] = count * width * height / 1e6
            needed = max(needed, LIFTED * width * height + LIFTING * wide * high)
        most = max(most, needed)
    return _whole(millions, FIXED + most + 3 * width * height * (sum(often.values()) + 2), rates)


def seen_size(request: StyleRequest, engine: str, width: int, height: int) -> tuple[int, int]:
    """The size at which a network sees a photo, so that its strokes are as large as wanted."""
    factor = 1 / request.style_size
    if request.pixels == "quick" and engine == "picture" and width * height > NEARLY * QUICK:
        factor *= sqrt(QUICK / (width * height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def is_lifted(request: StyleRequest, engine: str, seen: tuple[int, int], whole: tuple[int, int]) -> bool:
    """Whether a painting of size ``seen`` is brought to the photo's along its edges, and not merely enlarged."""
    return request.pixels == "quick" and engine != "builtin" and seen[0] < whole[0] and seen[1] < whole[1]


def _fast(width: float, height: float, item_bytes: int, name: str) -> int:
    """Bytes that one painting by a network takes."""
    pixels = max(16, width) * max(16, height)
    return int((NUMBERS[name][is_frugal(pixels)] * item_bytes + BESIDE) * pixels)


def is_frugal(pixels: float) -> bool:
    """Whether a painting of so many pixels is made in less memory and more time."""
    return pixels > FRUGAL


def _whole(millions: Mapping[str, float], needed: int, rates: Rates) -> Reckoned:
    looked = {name: count for name, count in millions.items() if count}
    known = all(name in rates for name in looked)
    seconds = sum(count * rates[name] for name, count in looked.items()) if known else None
    return Reckoned(looked, needed, seconds)


def fitting(request: StyleRequest, width: int, height: int, item_bytes: int, room: float) -> tuple[int, int]:
    """The largest size of these proportions that fits into ``room`` bytes."""
    needed = reckon(request, width, height, item_bytes, {}).bytes
    factor = sqrt(max(0.0, room - FIXED) / max(1, needed - FIXED))
    while True:  # not all that is needed grows with the photo
        wide, high = max(1, int(width * factor)), max(1, int(height * factor))
        if wide == high == 1 or reckon(request, wide, high, item_bytes, {}).bytes <= room:
            return wide, high
        factor *= 0.98
