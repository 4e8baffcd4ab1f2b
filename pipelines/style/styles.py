"""The 26 built-in styles by name, for menus and for the pipeline. Imports no torch and opens no file.

The network knows its styles by number only; the names are ours, given by looking at what each one paints. Ids are
part of the public interface and of every recipe: they may be added, never changed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import StudioError

ASSETS = Path(__file__).resolve().parents[2] / "assets"
THUMBNAILS = ASSETS / "style" / "thumbnails"


@dataclass(frozen=True)
class Style:
    """``index`` is the style's row in the network's scales."""

    id: str
    index: int
    en: str
    zh: str

    @property
    def thumbnail(self) -> Path:
        """A picture of about 256 pixels that this style painted."""
        return THUMBNAILS / f"{self.id}.webp"

    def name(self, language: str = "en") -> str:
        """The name in ``language``, which may carry a region (``zh-CN``); English for any other than Chinese."""
        return self.zh if language.lower().startswith("zh") else self.en


_NAMES = (
    ("amber-morning", "Amber morning", "琥珀清晨"),
    ("ink-and-yellow", "Ink and yellow", "浓墨亮黄"),
    ("charcoal-dusk", "Charcoal dusk", "炭笔黄昏"),
    ("electric-strokes", "Electric strokes", "霓虹碎笔"),
    ("crimson-gold", "Crimson and gold", "绛红鎏金"),
    ("autumn-pastel", "Autumn pastel", "秋日粉彩"),
    ("night-stipple", "Night stipple", "靛夜点彩"),
    ("stained-glass", "Stained glass", "彩窗夜色"),
    ("spring-sketch", "Spring sketch", "春日速写"),
    ("teal-linocut", "Teal linocut", "青红版画"),
    ("ember-glow", "Ember glow", "余烬暖光"),
    ("golden-etching", "Golden etching", "金色蚀刻"),
    ("lavender-haze", "Lavender haze", "薰衣草薄雾"),
    ("tropical-woodcut", "Tropical woodcut", "热带木刻"),
    ("aqua-porcelain", "Aqua porcelain", "水色薄瓷"),
    ("pastel-shards", "Pastel shards", "粉彩碎片"),
    ("ultramarine-rain", "Ultramarine rain", "群青细雨"),
    ("red-weave", "Red weave", "赤色织锦"),
    ("sandstone-relief", "Sandstone relief", "砂岩浮雕"),
    ("starry-strokes", "Starry strokes", "星夜笔触"),
    ("molten-red", "Molten red", "熔岩之红"),
    ("paper-cutout", "Paper cut-out", "剪纸拼贴"),
    ("vermilion-brush", "Vermilion brush", "朱砂笔墨"),
    ("quiet-twilight", "Quiet twilight", "静谧暮色"),
    ("indigo-waves", "Indigo waves", "靛蓝浪花"),
    ("antique-tapestry", "Antique tapestry", "古旧挂毯"),
)

STYLES: tuple[Style, ...] = tuple(Style(name, index, en, zh) for index, (name, en, zh) in enumerate(_NAMES))
_BY_ID = {style.id: style for style in STYLES}


def find_style(wanted: str) -> Style:
    """The style with this id. Raises ``StudioError`` that names the nearest ones."""
    if wanted in _BY_ID:
        return _BY_ID[wanted]
    near = difflib.get_close_matches(wanted.lower(), _BY_ID, n=3, cutoff=0.3) or list(_BY_ID)[:3]
    raise StudioError(
        "style.unknown",
        "There is no style named {style}. The nearest of the {count} there are: {choices}.",
        style=wanted if len(wanted) <= 60 else wanted[:59] + "…",
        count=len(STYLES),
        choices=", ".join(near),
    )


def style_choices(language: str = "en") -> list[tuple[str, str, Path]]:
    """(id, name, thumbnail) of every style in the order of the menu."""
    return [(style.id, style.name(language), style.thumbnail) for style in STYLES]
