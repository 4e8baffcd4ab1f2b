"""Which vector pictures there are, what each is called, and how one is drawn.

A drawing is left out where it is another's skin tone (they share one name and would weigh five times) or a flag. Every
drawing gets the name and tags of emojibase where its own name leads to an entry there, in English and Chinese. Knows
SVG and names; not training.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.sticker.packages import DRAWN, NAMES, Package, read_json

#: edge in pixels of the pictures the model learns, and of those the upscaler learns to make of them
SMALL, LARGE = 64, 256
#: in the order of the model's style embedding
STYLES = tuple(package.style for package in DRAWN)

_TONES = ("light", "medium-light", "medium", "medium-dark", "dark", "default")


@dataclass(frozen=True)
class Drawing:
    """One vector picture. ``group`` is emojibase's ("animals-nature"), empty where it has no entry there."""

    style: str
    name: str
    caption: str
    tags: tuple[str, ...]
    caption_zh: str
    tags_zh: tuple[str, ...]
    group: str
    subgroup: str

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Drawing:
        """From what ``facts`` gave."""
        return cls(**{**facts, "tags": tuple(facts["tags"]), "tags_zh": tuple(facts["tags_zh"])})


@dataclass(frozen=True)
class _Entry:
    caption: str
    tags: tuple[str, ...]
    caption_zh: str
    tags_zh: tuple[str, ...]
    group: str
    subgroup: str


class Names:
    """Emojibase's entries, found by the name a package gave its picture."""

    def __init__(self, folder: Path) -> None:
        english = read_json(folder, NAMES, "en/data.json")
        chinese = {entry["hexcode"]: entry for entry in read_json(folder, NAMES, "zh/data.json")}
        groups = read_json(folder, NAMES, "meta/groups.json")
        self._entries: dict[str, _Entry] = {}
        for entry in english:
            other = chinese.get(entry["hexcode"], {})
            found = _Entry(
                entry["label"].replace("’", "'"),
                tuple(entry.get("tags", ())),
                other.get("label", ""),
                tuple(other.get("tags", ())),
                groups["groups"].get(str(entry.get("group")), ""),
                groups["subgroups"].get(str(entry.get("subgroup")), ""),
            )
            self._entries[slug(found.caption)] = found
        self._squashed = {key.replace("-", ""): key for key in self._entries}
        words = {word for key in self._entries for word in key.split("-")}
        words |= {slug(tag) for entry in self._entries.values() for tag in entry.tags}
        self._words = {word for word in words if len(word) > 1 or word == "a"}

    def drawing(self, style: str, name: str) -> Drawing:
        """The drawing ``name`` of a package, with what emojibase knows of it."""
        key = self._key(name)
        entry = self._entries.get(key)
        if entry is None:
            return Drawing(style, name, key.replace("-", " "), (), "", (), "", "")
        return Drawing(style, name, **asdict(entry))

    def _key(self, name: str) -> str:
        if name in self._entries:
            return name
        if name.replace("-", "") in self._squashed:
            return self._squashed[name.replace("-", "")]
        for ending in ("-face", "-button", "-symbol", "-sign"):
            if name.removesuffix(ending) in self._entries:
                return name.removesuffix(ending)
            if name + ending in self._entries:
                return name + ending
        return name if "-" in name else self._split(name)

    def _split(self, name: str) -> str:
        """Cuts "fatherchristmas" into known words, as few as possible; what no words make up stays as it is."""
        best: list[tuple[float, list[str]] | None] = [(0.0, [])] + [None] * len(name)
        for end in range(1, len(name) + 1):
            for start in range(max(0, end - 20), end):
                before, word = best[start], name[start:end]
                if before is None or not (word in self._words or word.isdigit()):
                    continue
                cost = before[0] + 1
                known = best[end]
                if known is None or cost < known[0]:
                    best[end] = (cost, [*before[1], word])
        found = best[len(name)]
        return "-".join(found[1]) if found is not None else name


def slug(text: str) -> str:
    """Lower case, words joined by hyphens: "Grinning cat’s face" is grinning-cats-face."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"['’.]", "", text.lower())).strip("-")


def drawings_of(folder: Path, package: Package, names: Names) -> Iterator[tuple[Drawing, str]]:
    """Every drawing of a package with its SVG."""
    icons = read_json(folder, package, "icons.json")
    bodies: dict[str, dict[str, Any]] = icons["icons"]
    for name, icon in bodies.items():
        if icon.get("hidden") or _is_tone(name, bodies) or re.search(r"(^|-)flag(-|$)|regional|tone", name):
            continue
        width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
        edge = max(width, height)  # a few are not square: those lie in the middle of one
        view = f"{(width - edge) / 2} {(height - edge) / 2} {edge} {edge}"
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}">{icon["body"]}</svg>'
        yield names.drawing(package.style, name), svg


def _is_tone(name: str, names: Mapping[str, object]) -> bool:
    return any(
        name.endswith(f"-{tone}")
        and (name.removesuffix(f"-{tone}") in names or _is_tone(name[: -len(tone) - 1], names))
        for tone in _TONES
    )


def draw(svg: str, size: int = LARGE) -> bytes:
    """A PNG of ``size`` x ``size`` pixels with a transparent background."""
    import resvg_py  # only who builds the data needs it

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True))


def premultiplied(data: bytes) -> npt.NDArray[np.uint8]:
    """A PNG as [H, W, 4]: colours multiplied by alpha, so that the colour of what cannot be seen is always black."""
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), np.float32)
    picture = np.concatenate([picture[..., :3] * picture[..., 3:] / 255, picture[..., 3:]], -1)
    return picture.round().astype(np.uint8)


def shrunk(picture: npt.NDArray[np.uint8], factor: int = LARGE // SMALL) -> npt.NDArray[np.uint8]:
    """The mean over squares of ``factor`` x ``factor`` pixels, of a premultiplied picture [H, W, 4]."""
    height, width, channels = picture.shape
    squares = picture.reshape(height // factor, factor, width // factor, factor, channels).astype(np.float32)
    means: npt.NDArray[np.float32] = squares.mean((1, 3))
    return means.round().astype(np.uint8)
