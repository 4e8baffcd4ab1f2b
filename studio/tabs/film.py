"""Items of the library as the page's scripts want them: small, without the owner, with words in the right language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studio.library.library import Item

if TYPE_CHECKING:
    from studio.services import Studio

EXCERPT = 280


def card(studio: Studio, item: Item, whole: bool = False) -> dict[str, Any]:
    """One item for a strip or grid. Text comes as an excerpt, or ``whole``."""
    card = item.json()
    card["text"] = text_of(studio, item, None if whole else EXCERPT)
    return card


def text_of(studio: Studio, item: Item, limit: int | None) -> str:
    """The words of a text; empty for everything else."""
    if not item.media_type.startswith("text/"):
        return ""
    with studio.library.blobs.open(item.digest) as file:
        data = file.read() if limit is None else file.read(4 * limit)
    text = data.decode("utf-8", errors="replace" if limit is None else "ignore")
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def cards(studio: Studio, owner: str, kinds: Sequence[str], limit: int = 24) -> list[dict[str, Any]]:
    """The newest items of ``owner`` of these kinds."""
    return [card(studio, item) for item in studio.library.items(owner, kinds, limit=limit)]


def settings_of(item: Item) -> Mapping[str, Any]:
    """The request an item was made with, and the seed it got, so that the same comes out again."""
    settings = dict(item.recipe.get("settings", {}))
    if item.recipe.get("seed") is not None:
        settings["seed"] = item.recipe["seed"]
    return settings
