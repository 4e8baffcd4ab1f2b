"""The files named by their sha256 where several machines share them: in a storage, with copies on this machine's disk.

Knows the storage, and which copies to keep: each was compared with its name when it was fetched, those used longest ago
go first. A copy that a kill cut short is never taken for one. Nothing is only in the copies: they may all be deleted.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pipelines.durable import PARTIAL, DiskFull, is_full
from pipelines.storage import RENEW, Content, Storage, pieces_of, torn
from studio.store.blobs import DIGEST, Blobs, checked

log = logging.getLogger(__name__)

FOLDER = "blobs"
#: bytes up to which a file that is sent to somebody is copied here first, as it is probably asked for again
SMALL = 8 << 20
#: seconds after which a copy nobody used goes, however much room there is: what was deleted elsewhere is to vanish here
UNUSED = 7 * 86_400.0
_HALF = 3600.0


class Copies:
    """The copies in ``folder``, together ``room`` bytes at most, give or take a sixteenth for each process."""

    def __init__(self, folder: Path, room: int) -> None:
        self._folder, self._room = folder, room
        self._grown = room  # so that the first to be kept looks at what is there
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        return self._folder / checked(digest)[:2] / digest

    def open(self, digest: str) -> BinaryIO | None:
        """The copy, which counts as used now; None where there is none."""
        path = self.path(digest)
        try:
            file = path.open("rb")
            os.utime(path)
        except FileNotFoundError:  # never there, or gone between the two
            return None
        return file

    def keep(self, digest: str, pieces: Iterable[bytes], where: str) -> BinaryIO:
        """Writes a copy and gives it open. Raises ``StudioError`` where it is not what ``digest`` says.

        Whoever has it open can read it to its end, whether it is kept or makes room.
        """
        path, done = self.path(digest), False
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
        partial, file = Path(name), os.fdopen(handle, "w+b")
        try:
            if _copy(pieces, file) != digest:
                raise torn(digest, where)
            size = file.tell()
            file.seek(0)
            if size <= self._room:
                os.fsync(file.fileno())
                partial.replace(path)
                self._make_room(size)
            done = True
            return file
        except OSError as error:
            if is_full(error):
                raise DiskFull from error
            raise
        finally:
            partial.unlink(missing_ok=True)
            if not done:
                file.close()

    def forget(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        with self._lock:
            self._grown += size
            if self._grown * 16 < self._room:
                return
            self._grown = 0
        self.tidy()

    def tidy(self, room: int | None = None) -> int:
        """Removes what is beyond ``room``, the longest unused first, and what was not used for long; how many. Whoever
        is reading one reads it to its end."""
        now, left, gone = time.time(), self._room if room is None else room, 0
        for used, size, path in sorted(self._there(now), reverse=True):
            left -= size
            if left < 0 or now - used > UNUSED:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _there(self, now: float) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.glob("??/*"):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            if DIGEST.fullmatch(path.name):
                yield found.st_mtime, found.st_size, path
            elif now - found.st_mtime > _HALF:  # half a copy, of somebody who was killed
                path.unlink(missing_ok=True)


class SharedBlobs(Blobs):
    """``Blobs`` in ``storage``; ``folder`` holds copies of ``room`` bytes at most."""

    young = RENEW + 300.0  # what is put again need not get a new time within the first of these

    def __init__(self, storage: Storage, folder: Path, room: int) -> None:
        super().__init__(folder)
        self._storage = storage
        self.copies = Copies(folder, room)

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._storage.put(blob_name(digest), data, digest)
        if len(data) <= SMALL:
            try:
                self.copies.keep(digest, [data], self._storage.address).close()
            except DiskFull:
                log.warning("no room for a copy of %s on this machine", digest)
        return digest

    def open(self, digest: str) -> BinaryIO:
        file = self.copies.open(digest)
        if file is not None:
            return file
        try:
            return self._kept(digest)
        except DiskFull:
            self.copies.tidy(0)  # nothing is only here
            return self._kept(digest)

    def _kept(self, digest: str) -> BinaryIO:
        return self.copies.keep(digest, self._storage.get(blob_name(digest)), self._storage.address)

    def beginning(self, digest: str, count: int) -> bytes:
        file = self.copies.open(digest)
        if file is None:
            return self._storage.get(blob_name(digest), 0, count).read()
        with file:
            return file.read(count)

    def content(self, digest: str, size: int, start: int = 0, end: int | None = None) -> Content:
        """From the copy where there is one or where the file is small, else straight from the storage."""
        try:
            file = self.open(digest) if size <= SMALL else self.copies.open(digest)
        except DiskFull:
            file = None
        if file is not None:
            return Content(size, pieces_of(file, start, end), file.close)
        whole = start == 0 and end in (None, size)
        found = self._storage.get(blob_name(digest), start, end)
        return Content(size, self._compared(digest, found) if whole else iter(found), found.close)

    def remove(self, digest: str, before: float = math.inf) -> None:
        try:
            found = self._storage.get(blob_name(digest), 0, 0)
        except FileNotFoundError:
            pass
        else:
            found.close()
            if found.modified >= before:
                return
            self._storage.delete([blob_name(digest)])
        self.copies.forget(digest)

    def digests(self) -> Iterator[str]:
        return (one.name.rpartition("/")[2] for one in self._storage.list(FOLDER))

    def sweep(self, listed: set[str]) -> int:  # noqa: ARG002 - as in ``Blobs``
        """Nothing: other machines may be writing what no row names yet. ``sweep_old`` finds it in time."""
        return 0

    def sweep_old(self, listed: set[str], before: float) -> tuple[int, int]:
        count = freed = 0
        old = (
            one
            for one in self._storage.list(FOLDER)
            if one.modified < before and one.name.rpartition("/")[2] not in listed
        )
        while some := list(islice(old, 500)):  # soon after it was listed: what is put again is not old any more
            self._storage.delete(one.name for one in some)
            count, freed = count + len(some), freed + sum(one.bytes for one in some)
        return count, freed

    def _compared(self, digest: str, found: Content) -> Iterator[bytes]:
        """The pieces; the last only where all of them are what ``digest`` says."""
        sha, held = hashlib.sha256(), b""
        for piece in found:
            if held:
                yield held
            sha.update(piece)
            held = piece
        if sha.hexdigest() != digest:
            raise torn(digest, self._storage.address)
        yield held


def open_blobs(data: Path, storage: Storage | None, room: int) -> Blobs:
    """Those of the studio in ``data``: all there, or copies of what lies in ``storage``."""
    return Blobs(data / FOLDER) if storage is None else SharedBlobs(storage, data / "cache" / FOLDER, room)


def blob_name(digest: str) -> str:
    """What the file is called in the storage."""
    return f"{FOLDER}/{checked(digest)[:2]}/{digest}"


def _copy(pieces: Iterable[bytes], file: BinaryIO) -> str:
    """Writes all of it; its sha256."""
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
        file.write(piece)
    file.flush()
    return sha.hexdigest()
