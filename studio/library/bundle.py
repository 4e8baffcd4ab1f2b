"""Many things as one zip, made while it is sent: never in memory, never on disk.

Knows items and blobs. Whose they are was asked before. Files are stored as they are where they are packed already;
sizes follow their data (PKWARE APPNOTE 6.3.10, section 4.3.9), so that nothing has to be known ahead.
"""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from studio.library.library import Item
from studio.store.blobs import Blobs

MOST = 5000
_CHUNK = 1 << 18
_BARE = re.compile(r"[^\w\- ]+")
_PACKED = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "application/octet-stream")
_RECIPES = "recipes.jsonl"


def bundle(items: Sequence[Item], blobs: Blobs) -> Iterator[bytes]:
    """The zip, piece by piece: each thing under a name that says what and when, and all recipes, a line each.

    A thing that is deleted while it is sent is left out, and its line says so.
    """
    sink = _Sink()
    lines: list[str] = []
    with zipfile.ZipFile(sink, "w") as archive:
        for item, name in zip(items, names(items), strict=True):
            there = False
            for piece in _added(archive, sink, item, name, blobs):
                there = True
                yield piece
            lines.append(json.dumps(_line(item, name, there), ensure_ascii=False))
        with archive.open(_entry(_RECIPES, time.time(), packed=False), "w") as file:
            file.write("\n".join([*lines, ""]).encode())
        yield sink.taken()
    yield sink.taken()


def names(items: Sequence[Item]) -> list[str]:
    """A file name for each: 2026-01-31 red fox.png; those alike are numbered. None leaves the folder it is put in."""
    used: set[str] = set()
    found = []
    for item in items:
        day = time.strftime("%Y-%m-%d", time.localtime(item.created))
        stem, dot, end = item.name.rpartition(".")
        words = " ".join(_BARE.sub(" ", item.title or stem or item.name).split())[:60].strip() or item.kind
        ending = f".{end}" if dot and end.isalnum() and len(end) <= 12 else ""
        name, number = f"{day} {words}{ending}", 2
        while name.casefold() in used:
            name, number = f"{day} {words} {number}{ending}", number + 1
        used.add(name.casefold())
        found.append(name)
    return found


def _added(archive: zipfile.ZipFile, sink: _Sink, item: Item, name: str, blobs: Blobs) -> Iterator[bytes]:
    try:
        source = blobs.open(item.digest)
    except FileNotFoundError:
        return
    entry = _entry(name, item.created, item.media_type in _PACKED)
    with source, archive.open(entry, "w", force_zip64=True) as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            yield sink.taken()
    yield sink.taken()


def _entry(name: str, at: float, packed: bool) -> zipfile.ZipInfo:
    year, *rest = time.localtime(at)[:6]
    entry = zipfile.ZipInfo(name, (max(1980, year), rest[0], rest[1], rest[2], rest[3], rest[4]))
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _line(item: Item, name: str, there: bool) -> dict[str, Any]:
    line = {"file": name, "title": item.title, "kind": item.kind, "sha256": item.digest, "recipe": dict(item.recipe)}
    return line if there else {**line, "missing": True}


class _Sink(io.RawIOBase):
    """Where the zip is written: it only goes forward, and ``taken`` empties it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._at += len(data)
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
