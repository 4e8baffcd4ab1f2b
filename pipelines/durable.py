"""Writes a file so that a kill or a power cut at any moment leaves the whole file or none.

Knows the disk only. Everything that must not be found half-written goes through here: checkpoints, made files, models.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from pipelines.errors import StudioError

#: what a write in progress is named; whatever bears it after a kill may be deleted
PARTIAL = ".partial-"


class DiskFull(StudioError):  # noqa: N818 - says what it is
    """There is no room left for what was to be kept."""

    def __init__(self) -> None:
        super().__init__(
            "disk.full",
            "The studio's disk is full, so this could not be kept. Delete something from the library or make room in "
            "the data folder, then try again.",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ()


def is_full(error: OSError) -> bool:
    """Whether the disk, or this account's share of it, takes no more."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_durably(path: Path, data: bytes) -> None:
    """Beside, fsync, rename, fsync the folder. Raises ``OSError`` (a full disk, say) and then leaves nothing behind."""
    copy_durably(io.BytesIO(data), path)


def copy_durably(source: BinaryIO, path: Path) -> None:
    """The same with what is left to read of ``source``, in pieces: it may be larger than the memory."""
    handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except Exception:
        Path(partial).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames inside ``folder`` last: the names are data of the folder, not of the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Deletes what kills left half-written directly in ``folder``."""
    for path in folder.glob(f"{PARTIAL}*"):
        path.unlink()
