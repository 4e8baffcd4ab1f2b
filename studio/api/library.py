"""The endpoints of the library: search, likeness, stars, tags, collections, family, what made a file, zips, deleting.

They say what the page's routes say, through the same ``Desk``. Everything is the caller's own.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils

from pipelines.errors import StudioError
from studio.api.offering import Info, listed, offer, whole
from studio.desk import Desk, told
from studio.library.bundle import bundle
from studio.library.explain import explain
from studio.locales import language_of
from studio.owners import owner_of
from studio.services import Studio
from studio.uploads import Upload

_TEXT = {"type": "string"}


class Shelves:
    """Endpoints for what a person made. Somebody else's things are not there."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._desk = Desk(studio)

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        answer = [gr.JSON(label="library")]
        offer(self.search_library, self._search_fields(), [gr.JSON(label="page")])
        offer(self.find_similar, [gr.Textbox(label="item_id"), gr.Number(60, label="limit")], [gr.JSON(label="page")])
        items = listed("item_ids", _TEXT)
        offer(self.star_items, [items, gr.Checkbox(True, label="on")], answer)
        offer(self.tag_items, [items, listed("add", _TEXT), listed("remove", _TEXT)], answer)
        offer(self.list_collections, [], answer)
        collection = [gr.Textbox("", label="collection"), gr.Textbox("", label="name"), items]
        offer(self.change_collection, [gr.Textbox(label="action"), *collection], answer)
        offer(self.get_lineage, [gr.Textbox(label="item_id")], [gr.JSON(label="tree")])
        offer(self.explain_file, [Upload(label="file")], [gr.JSON(label="explained")])
        offer(self.download_items, [items], [gr.File(label="zip")])
        offer(self.delete_items, [items, gr.Number(0, label="sure")], answer)

    @staticmethod
    def _search_fields() -> list[Any]:
        return [
            gr.Textbox("", label="words"),
            gr.Textbox("all", label="kind"),
            gr.Checkbox(False, label="starred"),
            gr.Textbox("", label="tag"),
            gr.Textbox("", label="collection"),
            gr.Textbox("newest", label="sort"),
            gr.Checkbox(False, label="meaning"),
            gr.Number(60, label="limit"),
            gr.Textbox("", label="after"),
        ]

    async def search_library(
        self,
        words: str,
        kind: str,
        starred: bool,
        tag: str,
        collection: str,
        sort: str,
        meaning: bool,
        limit: float,
        after: str,
        request: gr.Request,
    ) -> Info:
        """What you made, a page at a time: items, how many there are in all, and what the next page begins after.

        Args:
            words: All of these words, begun or whole, in titles, prompts, styles, tags or models; "side by side" in
                quotes, -without with a minus.
            kind: all, pictures, films, texts or generators.
            starred: Only what has your star.
            tag: Only what has this tag.
            collection: Only what is in the collection with this id.
            sort: newest, oldest, title, largest or best (how well the words fit).
            meaning: Find prompts that mean nearly what the words say, in whatever words.
            limit: At most this many, 1 to 200.
            after: The after of the page before, as JSON; empty for the first page.
        """
        asked: Info = {"words": words, "kind": kind, "starred": starred, "tag": tag, "collection": collection,
                       "sort": sort, "meaning": meaning, "limit": whole("limit", limit)}  # fmt: skip
        if after:
            asked["after"] = _json(after)
        return await asyncio.to_thread(self._desk.page, owner_of(request), asked)

    async def find_similar(self, item_id: str, limit: float, request: gr.Request) -> Info:
        """What looks like a picture of yours, or means what a text of yours does; itself first.

        Args:
            item_id: The id of the item.
            limit: At most this many, 1 to 200.
        """
        found = await asyncio.to_thread(self._desk.page, owner_of(request), {"like": item_id})
        return {**found, "items": found["items"][: max(1, whole("limit", limit))]}

    async def star_items(self, item_ids: list[str] | None, on: bool, request: gr.Request) -> Info:
        """Put a star on things of yours, or take it off.

        Args:
            item_ids: The ids of the items.
            on: False takes the stars off.
        """
        return await self._act(request, {"action": "star", "items": item_ids or [], "on": on})

    async def tag_items(
        self, item_ids: list[str] | None, add: list[str] | None, remove: list[str] | None, request: gr.Request
    ) -> Info:
        """Put tags on things of yours and take others off; returns your tags and collections.

        Args:
            item_ids: The ids of the items.
            add: Tags to put on, 1 to 40 characters each.
            remove: Tags to take off.
        """
        message = {"action": "tag", "items": item_ids or [], "add": add or [], "remove": remove or []}
        return await self._act(request, message)

    async def list_collections(self, request: gr.Request) -> Info:
        """Your collections and tags, and how many things are in each."""
        return await asyncio.to_thread(self._desk.facets, owner_of(request))

    async def change_collection(
        self, action: str, collection: str, name: str, item_ids: list[str] | None, request: gr.Request
    ) -> Info:
        """Make, rename, delete or fill a collection; returns your collections. Deleting one deletes nothing in it.

        Args:
            action: make, rename, delete, add or remove.
            collection: The id of the collection; empty for make.
            name: Its new name, for make and rename.
            item_ids: The items to put in or to take out.
        """
        items = item_ids or []
        messages: dict[str, Info] = {
            "make": {"action": "collection.make", "name": name, "items": items},
            "rename": {"action": "collection.rename", "collection": collection, "name": name},
            "delete": {"action": "collection.delete", "collection": collection},
            "add": {"action": "collect", "collection": collection, "items": items, "on": True},
            "remove": {"action": "collect", "collection": collection, "items": items, "on": False},
        }
        if action not in messages:
            raise StudioError(
                "rule.choice",
                "{field} must be one of {choices}; you gave {value}.",
                field="action",
                choices=", ".join(messages),
                value=action[:40],
            )
        return await self._act(request, messages[action])

    async def get_lineage(self, item_id: str, request: gr.Request) -> Info:
        """What a thing of yours was made from and what was made from it: nodes and links, some generations each way.

        Args:
            item_id: The id of the item.
        """
        tree = await asyncio.to_thread(self._studio.lineage.tree, owner_of(request), item_id)
        return tree.json()

    async def explain_file(self, file: str | None, request: gr.Request) -> Info:
        """What a file says of how it was made: our recipe, content credentials, other programs' settings. Not kept.

        Args:
            file: Any file, uploaded.
        """
        if file is None:
            raise StudioError("explain.none", "No file was given. Upload one.")
        data = await asyncio.to_thread(Path(file).read_bytes)
        found = await asyncio.to_thread(explain, data, self._studio.credentials)
        return told(found, language_of(request))

    async def download_items(self, item_ids: list[str] | None, request: gr.Request) -> str:
        """Things of yours as one zip, with all their recipes.

        Args:
            item_ids: The ids of the items, 5000 at most.
        """
        return await asyncio.to_thread(self._zip, owner_of(request), item_ids or [])

    async def delete_items(self, item_ids: list[str] | None, sure: float, request: gr.Request) -> Info:
        """Delete things of yours for good; returns how many were deleted.

        Args:
            item_ids: The ids of the items.
            sure: How many they are, said again.
        """
        deleted = await asyncio.to_thread(self._desk.delete, owner_of(request), item_ids or [], whole("sure", sure))
        return {"deleted": deleted}

    # ---------------------------------------------------------------------------------------- inside

    async def _act(self, request: gr.Request, message: Info) -> Info:
        return await asyncio.to_thread(self._desk.act, owner_of(request), message)

    def _zip(self, owner: str, item_ids: list[str]) -> str:
        """A zip in gradio's cache under an unguessable name, written piece by piece."""
        chosen = self._desk.owned(owner, item_ids)
        name = f"atelier-{time.strftime('%Y%m%d-%H%M')}.zip"
        cache = str(self._studio.settings.temporary)
        path: str = processing_utils.save_bytes_to_cache(b"\n".join(i.id.encode() for i in chosen), name, cache)
        with Path(path).open("wb") as file:
            file.writelines(bundle(chosen, self._studio.library.blobs))
        self._studio.handed.give(owner, path)
        return path


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [text]  # refused as what it is
