"""Sheets to look at with something written under each sticker. Knows pictures and words only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pipelines.sticker.sheets import BACKGROUND, sheet

#: height of the writing, and of the strip it stands in, in pixels
LETTERS, STRIP = 13, 36
_INK = (40, 40, 40)


def captioned(pictures: Tensor, captions: Sequence[str], columns: int, edge: int = 128) -> Image.Image:
    """[N, 4, H, W] in -1..1, premultiplied -> rows of ``columns``, each ``edge`` px wide with its caption below."""
    rows = -(-len(pictures) // columns)
    grey = (round(255 * BACKGROUND),) * 3
    page = Image.new("RGB", (columns * edge, rows * (edge + STRIP)), grey)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(LETTERS)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        across, down = place % columns * edge, place // columns * (edge + STRIP)
        shown = sheet(picture.unsqueeze(0), 1).resize((edge, edge), Image.Resampling.LANCZOS)
        page.paste(shown, (across, down))
        for line, words in enumerate(_lines(caption, font, edge - 6)):
            middle = across + edge // 2
            pen.text((middle, down + edge + 1 + line * (LETTERS + 3)), words, _INK, font, anchor="ma")
    return page


def side_by_side(pictures: Sequence[Tensor], captions: Sequence[str], columns: int, edge: int = 128) -> Image.Image:
    """The first of all, then the second of all, and so on; ``captions`` in the order they lie in."""
    return captioned(torch.stack(list(pictures), 1).flatten(0, 1), captions, columns, edge)


def _lines(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """At most two lines of ``width`` pixels; what does not fit is left out, with dots."""
    lines = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > 2:
        lines = [lines[0], lines[1] + " …"]
    return [_cut(line, font, width) for line in lines]


def _cut(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while font.getlength(line) > width:
        line = line.removesuffix("…").rstrip()[:-1] + "…"
    return line
