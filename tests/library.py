"""Things in somebody's library, made as the engine makes them: jobs, artifacts, recipes, rows. No model is run."""

from __future__ import annotations

import io
import json
import struct
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines.base import Artifact
from pipelines.catalog import Catalog
from studio.library.bin import Bin
from studio.library.indexer import Indexer
from studio.library.library import Item, Library, add_items
from studio.library.likeness import Likeness
from studio.library.lineage import Lineage
from studio.library.made import keep
from studio.library.marks import Marks
from studio.library.recipe import compose
from studio.library.shelf import Page, Query, Shelf
from studio.settings import ASSETS
from studio.store.blobs import Blobs
from studio.store.database import Database
from studio.store.tables import JobRow


def drawn(color: str = "teal", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def png(data: bytes | None = None, title: str = "A card") -> Artifact:
    return Artifact("picture.png", "image/png", data or drawn(), title)


def text(words: str, title: str = "A text") -> Artifact:
    return Artifact("text.txt", "text/plain", words.encode(), title)


def generator(number: float = 1.5) -> Artifact:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    data = struct.pack("<Q", len(header)) + header + struct.pack("<f", number)
    return Artifact("generator.safetensors", "application/octet-stream", data, "A generator")


class Shelves:
    """All services of one library on a data folder of its own."""

    def __init__(self, data: Path, url: str = "") -> None:
        self.data = data
        self.url = url or f"sqlite:///{data / 'studio.db'}"
        self.database = Database(self.url)
        self.library = Library(self.database, Blobs(data / "blobs"))
        self.shelf, self.marks = Shelf(self.database), Marks(self.database)
        self.likeness = Likeness(self.database, Catalog(ASSETS, data))
        self.bin = Bin(self.database, self.library)
        self.lineage = Lineage(self.database, self.library)
        self.indexer = Indexer(self.database, self.library, self.likeness)

    def make(
        self, kind: str, request: Mapping[str, Any], artifact: Artifact, owner: str = "ann", job: str = ""
    ) -> Item:
        """A finished job and what it made."""
        name = job or uuid.uuid4().hex
        with self.database.write() as session:
            row = JobRow(id=name, owner=owner, kind=kind, request=dict(request), state="done", created=time.time())
            session.add(row)
        recipe = compose(kind, request, "f" * 64, {})
        with self.database.write() as session:
            return add_items(session, owner, name, kind, [keep(artifact, recipe, self.library.blobs)])[0]

    def picture(self, prompt: str, owner: str = "ann", color: str = "teal") -> Item:
        return self.make("image", {"prompt": prompt, "model": "stickers"}, png(drawn(color), prompt), owner)

    def found(self, owner: str = "ann", **asked: Any) -> list[str]:
        """The titles of what a search finds, in order."""
        return [item.title for item in self.page(owner, **asked).items]

    def page(self, owner: str = "ann", after: Any = None, limit: int = 60, **asked: Any) -> Page:
        return self.shelf.page(owner, Query.parse(asked), after, limit)

    def close(self) -> None:
        self.database.close()
