"""The first kind of storage: a folder that all machines mount.

Knows the disk. Files are written beside, fsynced and given their name by a link, which fails where the name is taken:
so that of two machines that put the same name one wins, also on a network's file system.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipelines.durable import PARTIAL, DiskFull, is_full, sync_folder
from pipelines.errors import StudioError
from pipelines.storage import (
    HALF,
    NAME,
    PIECE,
    RENEW,
    Content,
    Source,
    StorageAway,
    Stored,
    Taken,
    checked,
    lets_nobody_in,
    pieces_of,
    sha256_of,
    size_of,
)

#: what a file system says that knows no second name of a file
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
#: what the system says where a mounted folder's server is not there
_AWAY = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT, errno.ENODEV)


class FolderStorage:
    """Files below ``folder``, which must be there: a share that is not mounted is not to be mistaken for empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.address = str(folder)

    def put(self, name: str, source: Source, digest: str = "") -> bool:
        path = self._path(name)
        with self._sentences():
            if path.exists():
                return self._again(path, source, digest)
            partial = self._written(path.parent, source)
            try:
                os.link(partial, path)
            except FileExistsError:
                return self._again(path, source, digest)
            except OSError as error:
                raise self._without_links() if error.errno in _NO_LINKS else error from None
            finally:
                partial.unlink(missing_ok=True)
            sync_folder(path.parent)
            return True

    def get(self, name: str, start: int = 0, end: int | None = None) -> Content:
        with self._sentences():
            file = self._path(name).open("rb")
            found = os.fstat(file.fileno())
        last = found.st_size if end is None else min(end, found.st_size)
        return Content(found.st_size, self._pieces(file, start, last), file.close, found.st_mtime)

    def delete(self, names: Iterable[str]) -> None:
        with self._sentences():
            for path in map(self._path, names):
                path.unlink(missing_ok=True)
                self._drop_empty(path.parent)

    def list(self, folder: str = "") -> Iterator[Stored]:
        top = self._path(folder) if folder else self.folder
        with self._sentences():
            if not top.is_dir():
                self._check_there()
            for parent, _, names in os.walk(top, onerror=_unless_gone):
                for name in names:
                    path = Path(parent) / name
                    if name.startswith(PARTIAL):
                        _drop_old(path)
                    elif NAME.fullmatch(name) and (found := _stat(path)) is not None:
                        yield Stored(path.relative_to(self.folder).as_posix(), found.st_size, found.st_mtime)

    # ------------------------------------------------------------------------------------------- inside

    def _path(self, name: str) -> Path:
        return self.folder / checked(name)

    def _written(self, parent: Path, source: Source) -> Path:
        """A durable copy under a passing name in ``parent``, which another machine may take away while it is empty."""
        self._check_there()
        for attempt in range(5):
            parent.mkdir(parents=True, exist_ok=True)
            try:
                handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=parent)
                break
            except FileNotFoundError:
                if attempt == 4:
                    raise
        try:
            with os.fdopen(handle, "wb") as file:
                if isinstance(source, bytes):
                    file.write(source)
                else:
                    with source.open("rb") as whole:
                        shutil.copyfileobj(whole, file, PIECE)
                file.flush()
                os.fsync(file.fileno())
        except Exception:
            Path(partial).unlink(missing_ok=True)
            raise
        return Path(partial)

    def _again(self, path: Path, source: Source, digest: str) -> bool:
        """False, as these bytes are there, and their time is a fresh one. Raises ``Taken`` for others."""
        found = path.stat()
        if found.st_size != size_of(source) or sha256_of(path) != (digest or sha256_of(source)):
            raise Taken(path.name)
        if time.time() - found.st_mtime > RENEW:
            os.utime(path)
        return False

    def _pieces(self, file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
        with self._sentences():
            yield from pieces_of(file, start, end)

    def _drop_empty(self, folder: Path) -> None:
        while folder != self.folder:
            try:
                folder.rmdir()
            except OSError:  # something lies in it, or somebody else was quicker
                return
            folder = folder.parent

    def _check_there(self) -> None:
        if not self.folder.is_dir():
            raise StudioError(
                "storage.folder",
                "There is no folder {place} on this machine for --storage. Mount it, or make it once.",
                place=self.address,
            )

    def _without_links(self) -> StudioError:
        return StudioError(
            "storage.links",
            "The file system of {place} knows no hard links, by which a file is put there whole or not at all. Use "
            "NFS, another file system or an object store.",
            place=self.address,
        )

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            self._check_there()
            raise
        except PermissionError as error:
            raise lets_nobody_in(self.address, error.strerror or "no permission") from error
        except OSError as error:
            if is_full(error):
                raise DiskFull from error
            if error.errno in _AWAY:
                raise StorageAway(self.address, error.strerror or type(error).__name__) from error
            raise


def _unless_gone(error: OSError) -> None:
    """A folder that cannot be looked into is not empty; one that somebody took away meanwhile is."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _drop_old(partial: Path) -> None:
    """Takes away what a kill left half-written, once nobody can still be at it."""
    found = _stat(partial)
    if found is not None and time.time() - found.st_mtime > HALF:
        partial.unlink(missing_ok=True)


def _stat(path: Path) -> os.stat_result | None:
    """None for a file that went away meanwhile."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
