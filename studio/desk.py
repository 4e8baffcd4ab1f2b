"""What a person does with their library, in one place for the page and the API: search, mark, collect, delete.

Every value comes from a browser or a script and is checked here or below. Knows the studio's services; no page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.errors import StudioError
from studio.library.bundle import MOST
from studio.library.explain import Explained
from studio.library.library import Item
from studio.library.shelf import Query
from studio.locales import Language, sentence

if TYPE_CHECKING:
    from studio.services import Studio

PAGE = 60
#: of a text that is shown on its card
EXCERPT = 280


class Desk:
    """``owner`` comes first everywhere."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    # ------------------------------------------------------------------------------------------------ looking

    def page(self, owner: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Items and what comes with them. ``asked``: see ``Query``; ``meaning`` searches by likeness, ``like`` names
        the item whose likes are wanted, ``after`` what the page before ended with, ``limit`` how many."""
        shelf, query = self._studio.shelf, Query.parse(asked)
        limit = _count(asked.get("limit", PAGE))
        if (alike := self._alike(owner, query, asked)) is not None:
            found = shelf.chosen(owner, replace(query, words=""), alike)
        else:
            found = shelf.page(owner, query, asked.get("after"), limit)
        shown = found.json()
        for card, item in zip(shown["items"], found.items, strict=True):
            card["text"] = self.excerpt(item)
        return shown

    def one(self, owner: str, item: str) -> dict[str, Any]:
        """One thing with its tags and collections."""
        found = self._studio.shelf.chosen(owner, Query(), [self._studio.library.get(owner, item).id]).json()["items"]
        shown: dict[str, Any] = found[0]
        return shown

    def ids(self, owner: str, asked: Mapping[str, Any]) -> list[str]:
        """All that a search finds, up to as many as can be dealt with at once."""
        query = Query.parse(asked)
        if (alike := self._alike(owner, query, asked)) is not None:
            return [item.id for item in self._studio.shelf.chosen(owner, replace(query, words=""), alike).items]
        return self._studio.shelf.ids(owner, query, MOST)

    def _alike(self, owner: str, query: Query, asked: Mapping[str, Any]) -> list[str] | None:
        """What a search by likeness finds, the nearest first; None where none was asked for."""
        if like := str(asked.get("like") or ""):
            self._studio.library.get(owner, like)
            return self._studio.likeness.of_item(owner, like)
        if asked.get("meaning") and query.words:
            return self._studio.likeness.of_words(owner, query.words)
        return None

    def facets(self, owner: str) -> dict[str, Any]:
        """What there is to filter by, and whether sentences can be compared on this machine."""
        marks = self._studio.marks
        return {
            "tags": [{"tag": tag, "count": count} for tag, count in marks.tags(owner)],
            "collections": [one.json() for one in marks.collections(owner)],
            "meaning": self._studio.likeness.ready,
        }

    def excerpt(self, item: Item) -> str:
        """The beginning of a text; empty for everything else."""
        if not item.media_type.startswith("text/"):
            return ""
        with self._studio.library.blobs.open(item.digest) as file:
            text = file.read(4 * EXCERPT).decode("utf-8", errors="ignore")
        return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"

    def owned(self, owner: str, items: Sequence[str]) -> list[Item]:
        """Some of a person's things, in the order asked for; a ``StudioError`` where one is not there."""
        if not items:
            raise StudioError("items.none", "Nothing is chosen. Choose one thing or more first.")
        if len(items) > MOST:
            raise StudioError(
                "items.many", "{limit} things at once are the most; you chose {count}.", limit=MOST, count=len(items)
            )
        return self._studio.shelf.some(owner, list(dict.fromkeys(items)))

    # ------------------------------------------------------------------------------------------------- acting

    def act(self, owner: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Does what a message asks for; returns what there is to filter by now."""
        marks = self._studio.marks
        done: dict[str, Any] = {}
        match message:
            case {"action": "star", "items": list(items), "on": bool(on)}:
                marks.star(owner, _names(items), on)
            case {"action": "tag", "items": list(items)}:
                marks.tag(owner, _names(items), _names(message.get("add", [])), _names(message.get("remove", [])))
            case {"action": "collect", "collection": str(collection), "items": list(items), "on": bool(on)}:
                marks.collect(owner, collection, _names(items), on)
            case {"action": "collection.make", "name": str(name)}:
                done["collection"] = self._make_collection(owner, name, _names(message.get("items", [])))
            case {"action": "collection.rename", "collection": str(collection), "name": str(name)}:
                marks.rename_collection(owner, collection, name)
            case {"action": "collection.delete", "collection": str(collection)}:
                marks.delete_collection(owner, collection)
            case {"action": "delete", "items": list(items)}:
                chosen = self._sure(owner, _names(items), message.get("sure"))
                done["deleted"], done["undo"] = self._studio.bin.put(owner, chosen)
            case {"action": "undelete", "undo": str(word)}:
                done["back"] = self._back(owner, word)
            case _:
                raise StudioError(
                    "page.message", "The page asked for something there is not: {value}.", value=str(message)[:80]
                )
        return self.facets(owner) | done

    def _make_collection(self, owner: str, name: str, items: Sequence[str]) -> str:
        if items:
            self.owned(owner, items)
        made = self._studio.marks.make_collection(owner, name)
        if items:
            self._studio.marks.collect(owner, made, items)
        return made

    def delete(self, owner: str, items: Sequence[str], sure: object) -> int:
        """Deletes for good. ``sure`` is how many things that is, so that nobody deletes more than they meant to."""
        return self._studio.library.delete_many(owner, self._sure(owner, items, sure))

    def _back(self, owner: str, word: str) -> int:
        back = self._studio.bin.bring_back(owner, word)
        if not back:
            raise StudioError("items.gone", "What was deleted then is gone for good by now.")
        return back

    def _sure(self, owner: str, items: Sequence[str], sure: object) -> list[str]:
        chosen = self.owned(owner, items)
        if sure != len(chosen) or isinstance(sure, bool):
            raise StudioError(
                "items.sure",
                "Deleting {count} things cannot be undone. To go on, say how many there are: sure = {count}.",
                count=len(chosen),
            )
        return [item.id for item in chosen]


def _names(values: object) -> list[str]:
    """A posted list of names; anything else in it is nobody's."""
    return [str(value)[:200] for value in values] if isinstance(values, list) else []


def _count(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else PAGE


def told(found: Explained, language: Language) -> dict[str, Any]:
    """What a file says of itself, in the person's language."""
    return {
        "format": found.format,
        "width": found.width,
        "height": found.height,
        "sentences": [{"tone": one.tone, "text": sentence(one.sentence, language)} for one in found.said],
        "parts": [{"name": name, "rows": [list(row) for row in rows]} for name, rows in found.parts],
    }
