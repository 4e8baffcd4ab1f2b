"""The folders of jobs where several machines share them, for whoever looks at any job: the page, the sweep, a branch.

Knows the storage, and what was looked at lately. What lies there is said in ``job_states``; a job that runs here works
in ``saving``'s folder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from pipelines.storage import Storage, Taken
from studio.store.aside import Aside
from studio.store.job_states import PICTURE, State, file_name, latest, picture_name, put_state, state_name
from studio.store.saving import SharedWorkspace
from studio.store.shared_blobs import Copies
from studio.store.workspaces import FOLDER, PREVIEWS, Workspaces, like

#: seconds for which a page that asks three times a second is told the same list
_FRESH = 2.0


class SharedWorkspaces(Workspaces):
    """``Workspaces`` in ``storage``; ``folder`` holds those of jobs that run here, ``copies`` what was looked at."""

    def __init__(self, storage: Storage, folder: Path, copies: Copies) -> None:
        super().__init__(folder)
        self._storage = storage
        self._copies = copies
        self._listed: dict[str, tuple[float, State]] = {}
        self._guard = threading.Lock()
        self._later = Aside()

    def close(self) -> None:
        self._later.close()

    def begin(self, job_id: str, claim: bool) -> SharedWorkspace:
        return SharedWorkspace(self._storage, job_id, self.folder / job_id, claim)

    def files(self, job_id: str) -> dict[str, int]:
        with self._guard:
            self._listed = {name: one for name, one in self._listed.items() if time.monotonic() - one[0] < _FRESH}
            known = self._listed.get(job_id)
        state = known[1] if known else latest(self._storage, job_id)
        if known is None:
            with self._guard:
                self._listed[job_id] = time.monotonic(), state
        return {name: one.bytes for name, one in state.files.items()}

    def open(self, job_id: str, name: str) -> BinaryIO:
        for _ in range(3):  # what was listed may be replaced before it is read
            found = latest(self._storage, job_id).files.get(name)
            if found is None:
                break
            try:
                return self._copies.open(found.digest) or self._copies.keep(
                    found.digest, self._storage.get(file_name(job_id, found.digest)), self._storage.address
                )
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"job {job_id} has no {name}")

    def read(self, job_id: str, name: str) -> bytes:
        if PICTURE.fullmatch(name):
            return self._storage.get(picture_name(job_id, name)).read()
        return super().read(job_id, name)

    def path(self, job_id: str, name: str) -> Path | None:  # noqa: ARG002 - never on this machine
        return None

    def jobs(self) -> Iterator[str]:
        return iter({one.name.split("/")[1] for one in self._storage.list(FOLDER)})

    def holding(self, part: str) -> list[str]:  # noqa: ARG002 - whoever sweeps what is over finds it
        return []

    def clear(self, job_id: str, part: str) -> None:
        self._later.do(lambda: self.drop(job_id, [f"{part}/*"]))

    def sweep_previews(self, live: Collection[str] = ()) -> None:
        names = (one.name for one in self._storage.list(FOLDER))
        self._storage.delete([name for name in names if _is_preview(name) and name.split("/")[1] not in live])

    def drop(self, job_id: str, patterns: Sequence[str] = ()) -> int:
        there = {one.name: one.bytes for one in self._storage.list(f"{FOLDER}/{job_id}")}
        if not patterns:
            self._storage.delete(there)
            return sum(there.values())
        pictures = [name for name in there if "/pictures/" in name and like(name.rpartition("/")[2], patterns)]
        self._storage.delete(pictures)
        state = latest(self._storage, job_id)
        kept = {name: one for name, one in state.files.items() if not like(name, patterns)}
        gone = {file_name(job_id, one.digest) for one in state.files.values()}
        gone -= {file_name(job_id, one.digest) for one in kept.values()}
        if len(kept) < len(state.files):
            try:
                put_state(self._storage, job_id, State(state.number + 1, kept))
            except Taken:  # it goes on somewhere after all
                return sum(there[name] for name in pictures)
            self._storage.delete([state_name(job_id, state.number), *gone])
        return sum(there.get(name, 0) for name in (*pictures, *gone))


def _is_preview(name: str) -> bool:
    return fnmatchcase(name, f"{FOLDER}/*/pictures/{PREVIEWS}")


def open_workspaces(data: Path, storage: Storage | None, room: int) -> Workspaces:
    """Those of the studio in ``data``."""
    if storage is None:
        return Workspaces(data / FOLDER)
    return SharedWorkspaces(storage, data / FOLDER, Copies(data / "cache" / "blobs", room))
