"""Reads a zip of captioned pictures that a person gave, to train the sticker model on: names, captions, then pixels.

A caption is the text file beside a picture, else its line in a list, else the words of its own or its folder's name.
Nothing is unpacked to the disk, so a name is only ever a name. Everything is bounded before it is unpacked or decoded,
and what cannot be used is counted and named, never silently dropped. Imports no torch: the page looks at a zip with the
same code that a training reads it with, so what is shown is what is learned.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.errors import StudioError
from pipelines.pictures import MAX_BYTES, open_drawing
from pipelines.sticker.own_captions import LISTS, decode_name, decode_text, first_line, from_name, read_list
from pipelines.sticker.own_left_out import MOST, LeftOut, check_count
from pipelines.sticker.prompts import read_prompt

EDGE = 64
KINDS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
#: a text beside each picture, a list, and folders
MAX_ENTRIES = 3 * MOST
MAX_UNPACKED = 4_000_000_000
MAX_TEXT, MAX_LIST = 64_000, 32_000_000

Pixels: TypeAlias = npt.NDArray[np.uint8]

#: what programs leave in a zip and nobody put there
_LITTER = ("__macosx", "thumbs.db", "desktop.ini")
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError)


@dataclass(frozen=True)
class Candidate:
    """A picture of the zip and what is said of it, both as found; ``source`` tells where the caption is from."""

    info: zipfile.ZipInfo
    name: str
    caption: str
    source: Literal["text", "list", "name"]


@dataclass(frozen=True)
class Own:
    """What the model learns: uint8 [64, 64, 4], premultiplied, and what is said of it.

    ``caption`` is as the person wrote it; ``english`` and the drawing ``style`` are what the model is told.
    """

    picture: Pixels
    english: str
    style: str | None
    caption: str


class PictureZip:
    """A zip in memory. Raises ``StudioError`` where it is none, or holds too much or too little."""

    def __init__(self, data: bytes) -> None:
        self.left_out = LeftOut()
        entries = data.count(b"PK\1\2")  # begins each entry of the list that a zip ends with, however it is packed
        if entries > MAX_ENTRIES:
            raise StudioError(
                "own.entries",
                "The zip lists {count} files; at most {most} are looked at. Take some out.",
                count=entries,
                most=MAX_ENTRIES,
            )
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise StudioError(
                "own.zip",
                "This file is not a zip that can be read ({reason}). Pack the pictures into a .zip and try again.",
                reason=str(error)[:80],
            ) from error
        self._entries = {name: info for info in self._zip.infolist() if (name := _name_of(info))}

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every picture with a caption, in the zip's order; nothing is decoded yet."""
        pictures = {name: info for name, info in self._entries.items() if _ending(name) in KINDS}
        self._check_unpacked()
        texts = {name.casefold(): info for name, info in self._entries.items() if _ending(name) == ".txt"}
        listed = self._listed(pictures)
        found = []
        for name, info in pictures.items():
            beside = texts.get(str(PurePosixPath(name).with_suffix(".txt")).casefold())
            if beside is not None and (caption := first_line(self._text(beside))):
                found.append(Candidate(info, name, caption, "text"))
            elif name in listed:
                found.append(Candidate(info, name, listed[name], "list"))
            elif caption := from_name(name):
                found.append(Candidate(info, name, caption, "name"))
            else:
                self.left_out.add("silent", name)
        for name in self._entries:
            if not _is_read(name):
                self.left_out.add("kind", name)
        check_count(len(found), self.left_out)
        return tuple(found)

    def own(self, candidate: Candidate) -> Own | None:
        """The picture as the model sees it; None, and counted, where it cannot be used."""
        try:
            read = read_prompt(candidate.caption)
        except StudioError:
            self.left_out.add("unread", candidate.name)
            return None
        picture = self._picture(candidate)
        return None if picture is None else Own(picture, read.english, read.style, candidate.caption)

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The names of all pictures, with captions or without, in the zip's order; nothing is decoded yet."""
        self._check_unpacked()
        for name in self._entries:
            if not _is_read(name):
                self.left_out.add("kind", name)
        return tuple(name for name in self._entries if _ending(name) in KINDS)

    def opened(self, name: str, edge: int) -> Image.Image | None:
        """The RGBA picture ``name``; None, and counted, where it cannot be used. See ``open_drawing`` for ``edge``."""
        info = self._entries[name]
        if not _is_plain(info) or info.file_size > MAX_BYTES:
            self.left_out.add("large" if _is_plain(info) else "packed", name)
            return None
        data = self._bytes(info, MAX_BYTES)
        try:
            if data is not None:
                return open_drawing(data, edge)
        except StudioError as error:
            if error.key in ("picture.pixels", "picture.bomb"):
                self.left_out.add("large", name)
                return None
        self.left_out.add("damaged", name)
        return None

    # --------------------------------------------------------------------------------------- inside

    def _check_unpacked(self) -> None:
        unpacked = sum(info.file_size for name, info in self._entries.items() if _is_read(name))
        if unpacked > MAX_UNPACKED:
            raise StudioError(
                "own.unpacked",
                "Unpacked, the zip would have {size} GB; at most {most} GB are read. Make the pictures smaller.",
                size=round(unpacked / 1e9, 1),
                most=MAX_UNPACKED / 1e9,
            )

    def _listed(self, pictures: dict[str, zipfile.ZipInfo]) -> dict[str, str]:
        """Captions of all lists by picture; of one named without its folder where only one picture has that name."""
        by_file: dict[str, list[str]] = {}
        for name in pictures:
            by_file.setdefault(PurePosixPath(name).name, []).append(name)
        found: dict[str, str] = {}
        for file in LISTS:
            for name in [name for name in self._entries if PurePosixPath(name).name.casefold() == file]:
                for path, caption in self._list(name).items():
                    same = [path] if path in pictures else by_file.get(PurePosixPath(path).name, [])
                    if len(same) == 1:
                        found.setdefault(same[0], caption)
                    elif not same:
                        self.left_out.add("missing", path)
        return found

    def _list(self, name: str) -> dict[str, str]:
        data = self._bytes(self._entries[name], MAX_LIST)
        rows = read_list(name, data) if data is not None else {}
        if not rows:
            self.left_out.add("list", name)
        return rows

    def _text(self, info: zipfile.ZipInfo) -> str:
        data = self._bytes(info, MAX_TEXT)
        return decode_text(data) if data is not None else ""

    def _picture(self, candidate: Candidate) -> Pixels | None:
        opened = self.opened(candidate.name, 4 * EDGE)
        if opened is None:
            return None
        picture = fitted(opened)
        if not picture[..., 3].any():
            self.left_out.add("empty", candidate.name)
            return None
        return picture

    def _bytes(self, info: zipfile.ZipInfo, most: int) -> bytes | None:
        """An entry unpacked, never further than it claims; None where it claims more than ``most`` or is broken."""
        if info.file_size > most or not _is_plain(info):
            return None
        try:
            with self._zip.open(info) as file:
                return file.read(most)
        except _BROKEN:
            return None


@dataclass(frozen=True)
class Look:
    """``count`` pictures with captions, of which ``shown`` are the first; ``warnings`` say what else is in the zip."""

    count: int
    shown: tuple[Own, ...]
    warnings: tuple[StudioError, ...]


def look(data: bytes, most: int) -> Look:
    """The first ``most`` pictures of a zip, as the model will see them. Raises ``StudioError`` as a training would.

    Further pictures are not decoded, so that more of them may be left out when they are.
    """
    archive = PictureZip(data)
    shown: list[Own] = []
    for candidate in archive.candidates:
        if (own := archive.own(candidate)) is not None:
            shown.append(own)
        if len(shown) == most:
            break
    return Look(len(archive.candidates), tuple(shown), tuple(archive.left_out.sentences()))


def fitted(picture: Image.Image) -> Pixels:
    """An RGBA picture fitted into 64 x 64, centred, transparent around; uint8 [64, 64, 4], premultiplied."""
    scale = EDGE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    way = Image.Resampling.HAMMING if scale < 1 else Image.Resampling.BICUBIC
    small = np.asarray(picture.convert("RGBa").resize(size, way, reducing_gap=3.0))
    page = np.zeros((EDGE, EDGE, 4), np.uint8)
    top, left = (EDGE - size[1]) // 2, (EDGE - size[0]) // 2
    # bicubic may go beyond: a premultiplied colour is never more than its alpha
    page[top : top + size[1], left : left + size[0]] = np.minimum(small, small[..., 3:])
    return page


def _name_of(info: zipfile.ZipInfo) -> str:
    """The entry's name; empty for a folder and for what no person put there."""
    name = "" if info.is_dir() else decode_name(info.filename, bool(info.flag_bits & 0x800))
    parts = name.casefold().split("/")
    return "" if any(part.startswith(".") or part in _LITTER for part in parts) else name


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.casefold()


def _is_read(name: str) -> bool:
    return _ending(name) in (*KINDS, ".txt") or PurePosixPath(name).name.casefold() in LISTS


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """Stored or deflated, and not encrypted: of the other ways some unpack without a bound."""
    return info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not info.flag_bits & 1
