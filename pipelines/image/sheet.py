"""A labelled picture of a grid: the values of one setting across, those of another down.

Knows pictures and words. The letters that come with Pillow are Latin; for others a font of the system is looked for,
and where there is none a label is replaced by its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from pipelines.base import Artifact
from pipelines.image.variants import Plan, Shot
from pipelines.pictures import png

#: pixels of the longer side of the whole sheet
LONGEST = 4096
_PAPER, _INK, _EMPTY = (250, 249, 247), (32, 30, 27), (228, 224, 217)
_GAP = 8
_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc", "msyh.ttc")
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Sheets:
    """The grids of a plan, filled as its pictures come."""

    def __init__(self, wanted: Plan) -> None:
        self._plan = wanted
        self._cells: dict[int, dict[tuple[int, int], Image.Image]] = {}

    def take(self, shots: Sequence[Shot], pictures: Sequence[Image.Image]) -> None:
        if self._plan.sheets:
            for shot, picture in zip(shots, pictures, strict=True):
                self._cells.setdefault(shot.sheet, {})[shot.row, shot.column] = picture

    def artifacts(self, title: str) -> list[Artifact]:
        """A labelled picture for each grid of which there is anything."""
        return [
            Artifact(
                name=f"grid-{number + 1}.png",
                media_type="image/png",
                data=png(sheet),
                title=title,
                facts={"width": sheet.width, "height": sheet.height, "across": ", ".join(self._plan.columns),
                       "down": ", ".join(self._plan.rows)},
            )
            for number, cells in sorted(self._cells.items())
            for sheet in [labelled(cells, self._plan.columns, self._plan.rows, title)]
        ]  # fmt: skip


def labelled(
    cells: Mapping[tuple[int, int], Image.Image], columns: Sequence[str], rows: Sequence[str], title: str = ""
) -> Image.Image:
    """``cells`` by (row, column), all of one size or smaller, under ``columns`` and beside ``rows``.

    A cell that is not there (the request ended early) stays empty. Empty labels take no room.
    """
    across, down = max(1, len(columns)), max(1, len(rows))
    width = max(picture.width for picture in cells.values())
    height = max(picture.height for picture in cells.values())
    scale = min(1.0, LONGEST / (across * width), LONGEST / (down * height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    letters = min(32, max(12, round(min(width, height) / 14)))
    top = _GAP + 2 * letters if any(columns) else _GAP
    head = 2 * letters if title else 0
    left = _GAP + _widest(rows, letters, 3 * width // 4) if any(rows) else _GAP
    size = (left + across * (width + _GAP), head + top + down * (height + _GAP))
    page = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(page)
    if title:
        _say(draw, title, 0, (_GAP, head // 2, size[0] - 2 * _GAP), letters, "lm")
    for number, label in enumerate(columns):
        _say(draw, label, number, (left + number * (width + _GAP) + width // 2, head + top // 2, width), letters, "mm")
    for number, label in enumerate(rows):
        place = head + top + number * (height + _GAP) + height // 2
        _say(draw, label, number, (_GAP, place, left - 2 * _GAP), letters, "lm")
    for row in range(down):
        for column in range(across):
            corner = (left + column * (width + _GAP), head + top + row * (height + _GAP))
            _paste(page, cells.get((row, column)), (width, height), corner)
    return page


def _paste(page: Image.Image, picture: Image.Image | None, size: tuple[int, int], place: tuple[int, int]) -> None:
    if picture is None:
        page.paste(_EMPTY, (*place, place[0] + size[0], place[1] + size[1]))
        return
    small = picture.copy()
    small.thumbnail(size, Image.Resampling.LANCZOS)
    at = (place[0] + (size[0] - small.width) // 2, place[1] + (size[1] - small.height) // 2)
    page.paste(small.convert("RGB") if small.mode != "RGBA" else small, at, small if small.mode == "RGBA" else None)


def _say(
    draw: ImageDraw.ImageDraw, text: str, number: int, place: tuple[int, int, int], size: int, anchor: str
) -> None:
    """``text`` at (x, y), cut to the width that is there."""
    x, y, room = place
    words, font = _written(text, number, size)
    while len(words) > 1 and draw.textlength(words, font=font) > room:
        words = words.removesuffix("…")[:-1].rstrip() + "…"
        if words == "…":
            break
    draw.text((x, y), words, fill=_INK, font=font, anchor=anchor)


def _written(text: str, number: int, size: int) -> tuple[str, _Font]:
    """The text with a font that has its letters; its number where there is none."""
    plain = " ".join(text.split())
    if all(ord(letter) < 0x250 for letter in plain):
        return plain, ImageFont.load_default(size)
    found = _of_system(size)
    return (plain, found) if found is not None else (str(number + 1), ImageFont.load_default(size))


@cache
def _of_system(size: int) -> _Font | None:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def _widest(rows: Sequence[str], size: int, most: int) -> int:
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    written = [_written(label, number, size) for number, label in enumerate(rows)]
    return min(most, max(round(draw.textlength(words, font=font)) for words, font in written) + _GAP)
