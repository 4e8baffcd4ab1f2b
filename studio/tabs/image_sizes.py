"""Sizes in the usual shapes, of about the area that the chosen model knows best. Knows numbers and one menu."""

from __future__ import annotations

import math
from typing import Any

import gradio as gr

from pipelines.entries import Entry
from studio.locales import i18n

SHAPES = ((1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16))
#: sides are multiples of this, which every family takes
STEP = 64
USUAL = 512


def sizes(entry: Entry | None) -> list[tuple[str, str]]:
    """(title, "width x height") for each shape, at the area the model gives its best with."""
    wanted = entry.settings if entry is not None else {}
    area = int(wanted.get("width", USUAL)) * int(wanted.get("height", USUAL))
    found = []
    for across, down in SHAPES:
        width = _near(math.sqrt(area * across / down))
        height = _near(math.sqrt(area * down / across))
        found.append((f"{across}:{down} · {width} × {height}", f"{width} x {height}"))
    return found


def _near(side: float) -> int:
    return max(STEP, round(side / STEP) * STEP)


def size_menu(entry: Entry | None) -> gr.Dropdown:
    words: dict[str, Any] = {"label": i18n("image.preset"), "info": i18n("help.image.preset")}
    return gr.Dropdown([(str(i18n("image.preset.own")), ""), *sizes(entry)], value="", elem_id="image-preset", **words)


def read_size(chosen: str) -> tuple[int, int] | None:
    """Width and height of a choice; None where it is none of ours."""
    sides = chosen.split(" x ")
    return (int(sides[0]), int(sides[1])) if len(sides) == 2 and all(side.isdigit() for side in sides) else None
