"""The folders of jobs: what a job draws on its way, and what a further attempt, a branch or a person comes back to.

Knows the folder ``jobs`` of one machine; where several machines share them see ``shared_workspaces``. ``Workspaces`` is
for whoever looks at any job's folder, ``Workspace`` for the one that works in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from pipelines.durable import write_durably

FOLDER = "jobs"
PREVIEWS = "preview-*"

Send: TypeAlias = Callable[[Any], None]


class Workspace:
    """The folder of a job that runs here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def saved(self) -> None:
        """What lies in the folder now is what the next attempt goes on from, wherever that runs, once this returns.

        May take its time, so the device is to be lent out meanwhile.
        """

    def draw(self, name: str, data: bytes) -> None:
        """Keeps a picture for whoever follows the job; it is there for whom a message that is sent later reaches."""
        write_durably(self.folder / name, data)

    def rub_out(self, name: str) -> None:
        """Takes a picture away."""
        (self.folder / name).unlink(missing_ok=True)

    def after(self, send: Send) -> Send:
        """``send``, for messages about what was drawn."""
        return send

    def end(self, over: bool) -> None:
        """Nothing more is written here. ``over``: the job cannot go on either."""


class Workspaces:
    """All of them, by the job's id. Names are relative to a job's folder, with ``/`` between parts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def close(self) -> None:
        """Waits for what is being taken away."""

    def begin(self, job_id: str, claim: bool) -> Workspace:  # noqa: ARG002 - matters where they are shared
        """The folder of ``job_id``, with what earlier attempts saved. ``claim``: an earlier one that still runs
        somewhere, thought dead, saves nothing from now on."""
        return Workspace(self.folder / job_id)

    def files(self, job_id: str) -> dict[str, int]:
        """Name and bytes of what it holds, pictures left out where that costs something."""
        root = self.folder / job_id
        found = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.stat().st_size for path in found}

    def open(self, job_id: str, name: str) -> BinaryIO:
        """One of them, to be read and closed. Raises ``FileNotFoundError``."""
        return (self.folder / job_id / name).open("rb")

    def read(self, job_id: str, name: str) -> bytes:
        with self.open(job_id, name) as file:
            return file.read()

    def path(self, job_id: str, name: str) -> Path | None:
        """Where the file lies on this machine; None where it does not."""
        path = self.folder / job_id / name
        return path if path.is_file() else None

    def jobs(self) -> Iterator[str]:
        """The ids of those that have a folder."""
        return (path.name for path in self.folder.glob("*") if path.is_dir() and not path.is_symlink())

    def holding(self, part: str) -> list[str]:
        """The ids of jobs whose folder has a folder ``part``, as far as this machine knows."""
        return [path.parent.name for path in self.folder.glob(f"*/{part}")]

    def clear(self, job_id: str, part: str) -> None:
        """Takes away the folder ``part`` of a job's, by and by where that takes time."""
        shutil.rmtree(self.folder / job_id / part, ignore_errors=True)

    def sweep_previews(self, live: Collection[str] = ()) -> None:
        """Removes the last previews of jobs that have ended: of all but those that are ``live``."""
        for path in self.folder.glob(f"*/{PREVIEWS}"):
            if path.parent.name not in live:
                path.unlink(missing_ok=True)

    def drop(self, job_id: str, patterns: Sequence[str] = ()) -> int:
        """Takes away what is named like one of ``patterns`` (``*`` goes across ``/``), everything where there is none.

        Returns the bytes that frees. Each file is of use alone, so a kill in between leaves nothing half done.
        """
        root = self.folder / job_id
        files = [path for path in root.rglob("*") if path.is_file()]
        gone = [path for path in files if not patterns or like(path.relative_to(root).as_posix(), patterns)]
        freed = sum(_freed(path) for path in gone)
        if not patterns:
            shutil.rmtree(root, ignore_errors=True)
        for path in gone:
            path.unlink(missing_ok=True)
        return freed


def like(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name is meant by one of ``patterns``."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _freed(path: Path) -> int:
    """A file under two names (a snapshot is a checkpoint's) frees nothing by one of them."""
    found = path.stat()
    return found.st_size if found.st_nlink == 1 else 0
