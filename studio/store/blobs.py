"""Files named by the sha256 of their content, written so that a kill at any moment leaves no half file.

Knows the disk only: both the web process and the worker write here, and neither waits for the other. Whether a
file is listed anywhere is the database's business. Where several machines share the files see ``shared_blobs``.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipelines.durable import write_durably
from pipelines.storage import Content, pieces_of

DIGEST = re.compile(r"^[0-9a-f]{64}$")


def checked(digest: str) -> str:
    """``digest`` itself; anything but 64 hexadecimal digits is a ``ValueError``."""
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"a blob is named by 64 hexadecimal digits, not {digest[:80]!r}")
    return digest


class Blobs:
    """The blob folder: ``put`` returns the name, ``open`` and ``read`` give the file."""

    #: seconds since a file was put, or put again, within which the row that names it may be on its way
    young = 60.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keeps ``data`` and returns its digest. The same bytes twice are kept once."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        try:
            os.utime(path)  # asked for now: whoever sweeps leaves it alone until its row is written
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            write_durably(path, data)
        return digest

    def path(self, digest: str) -> Path:
        """Where the file of ``digest`` is or would be. Anything but 64 hexadecimal digits is a ``ValueError``."""
        return self.folder / checked(digest)[:2] / digest

    def open(self, digest: str) -> BinaryIO:
        """The file, to be read and closed; it stays readable whatever becomes of its name. ``FileNotFoundError``."""
        return self.path(digest).open("rb")

    def read(self, digest: str) -> bytes:
        with self.open(digest) as file:
            return file.read()

    def beginning(self, digest: str, count: int) -> bytes:
        """The first ``count`` bytes. Raises ``FileNotFoundError``."""
        with self.open(digest) as file:
            return file.read(count)

    def content(self, digest: str, size: int, start: int = 0, end: int | None = None) -> Content:
        """The file of ``size`` bytes from ``start`` to before ``end``, to be sent. Raises ``FileNotFoundError``."""
        file = self.open(digest)
        return Content(size, pieces_of(file, start, end), file.close)

    def remove(self, digest: str, before: float = math.inf) -> None:
        """Takes the file away, unless it was put, or put again, at ``before`` or later: its row may be on the way then.
        What has none in the end ``sweep_old`` finds."""
        path = self.path(digest)
        try:
            if path.stat().st_mtime < before:
                path.unlink()
        except FileNotFoundError:
            return

    def digests(self) -> Iterator[str]:
        """All there are, half-written ones left out."""
        for path in self.folder.glob("??/*"):
            if DIGEST.fullmatch(path.name):
                yield path.name

    def sweep(self, listed: set[str]) -> int:
        """Removes what a kill left behind: partial files, and whole ones no row names. Returns how many.

        Only at start, before anything runs: a blob being written has no row yet.
        """
        orphans = [path for path in self.folder.glob("??/*") if path.name not in listed]
        for path in orphans:
            path.unlink()
        return len(orphans)

    def sweep_old(self, listed: set[str], before: float) -> tuple[int, int]:
        """The same while the studio runs: only what was neither written nor put again since ``before``. How many, and
        their bytes."""
        count = freed = 0
        for path in self.folder.glob("??/*"):
            if path.name in listed:
                continue
            found = path.stat()
            if found.st_mtime < before:
                path.unlink()
                count, freed = count + 1, freed + found.st_size
        return count, freed
