"""The folder of a job that runs here and may go on elsewhere: fetched when it begins, written through to a storage.

What is saved counts as ``job_states`` says. Pictures are sent by a thread, so that no device waits for it.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from pipelines.durable import PARTIAL, copy_durably
from pipelines.errors import StudioError
from pipelines.storage import Content, Storage, StorageAway, Taken, sha256_of, torn
from studio.store.aside import Aside
from studio.store.job_states import (
    PICTURE,
    Saved,
    State,
    file_name,
    latest,
    numbers,
    picture_name,
    put_picture,
    put_state,
    state_name,
    word,
)
from studio.store.workspaces import FOLDER, Send, Workspace

log = logging.getLogger(__name__)

#: a log that is only ever added to is sent again once it has grown by this part, and at the end: else it would be sent
#: whole with every save. A machine's death costs at most so much of its end.
_GROWN = 1 / 8
_LOGS = "tensorboard/*"


class SharedWorkspace(Workspace):
    """The folder of a job that runs here, beginning with what the job saved last, wherever that was."""

    def __init__(self, storage: Storage, job_id: str, folder: Path, claim: bool) -> None:
        super().__init__(folder)
        self._storage, self._job_id = storage, job_id
        self._aside = Aside()
        self._drawn: dict[str, bytes] = {}
        self._me = word()
        self._state = self._claimed(claim)
        self._sent: dict[str, tuple[_Mark, Saved]] = {}
        self._fetch()

    # ------------------------------------------------------------------------------------------- beginning

    def _claimed(self, claim: bool) -> State:
        """The last state; with ``claim`` it is put again under the next number, which nobody else then has.

        Whoever had the job before may be saving meanwhile; whoever was given it since is not to lose it again.
        """
        found = latest(self._storage, self._job_id)
        while claim:
            mine = State(found.number + 1, found.files, self._me)
            try:
                put_state(self._storage, self._job_id, mine)
            except Taken:
                before, found = found, latest(self._storage, self._job_id)
                if found.number > mine.number and found.by != before.by:
                    raise _elsewhere() from None
                continue
            self._sweep(mine)
            return mine
        return found

    def _sweep(self, state: State) -> None:
        """Takes away what a kill left of saves that do not count.

        What is there is looked at before the lists are: a file of somebody who has claimed the job since is then seen
        together with that claim, and nothing is touched.
        """
        there = [one.name for one in self._storage.list(f"{FOLDER}/{self._job_id}") if "/pictures/" not in one.name]
        if max(numbers(self._storage, self._job_id), default=0) > state.number:
            return
        kept = {file_name(self._job_id, one.digest) for one in state.files.values()}
        kept.add(state_name(self._job_id, state.number))
        self._storage.delete(name for name in there if name not in kept)

    def _fetch(self) -> None:
        """Makes the folder hold what was saved and nothing else. A local file counts where it is the same."""
        for name in self._names():
            saved = self._state.files.get(name)
            path = self.folder / name
            if saved is None or path.stat().st_size != saved.bytes or sha256_of(path) != saved.digest:
                path.unlink()
        here: dict[str, Path] = {}
        for name, saved in self._state.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                self._bring(saved, path, here.get(saved.digest))
            here[saved.digest] = path
            self._sent[name] = _mark(path), saved

    def _bring(self, saved: Saved, path: Path, same: Path | None) -> None:
        if same is not None:
            os.link(same, path)  # a snapshot that is a checkpoint, as it was
            return
        partial = path.parent / f"{PARTIAL}{saved.digest}"
        with partial.open("w+b") as file:
            for piece in self._found(saved, path.name):
                file.write(piece)
            file.flush()
            if sha256_of(partial) != saved.digest:
                raise torn(path.name, self._storage.address)
            file.seek(0)
            copy_durably(file, path)
        partial.unlink()

    def _found(self, saved: Saved, name: str) -> Content:
        try:
            return self._storage.get(file_name(self._job_id, saved.digest))
        except FileNotFoundError:
            if latest(self._storage, self._job_id).number > self._state.number:
                raise _elsewhere() from None
            raise torn(name, self._storage.address) from None

    # --------------------------------------------------------------------------------------------- saving

    def saved(self) -> None:
        """Sends what is new and then the list. Where the storage is away, the next save makes up for it: until then
        the last one that is there counts. Raises ``StudioError`` where the job goes on elsewhere."""
        try:
            self._save(whole=False)
        except StorageAway as error:
            log.warning("job %s is saved on this machine only: %s", self._job_id, error)

    def _save(self, whole: bool) -> None:
        files = {name: self._put(name, whole) for name in self._names()}
        if files == self._state.files:
            return
        before, self._state = self._state, self._counted(files)
        self._sent = {name: self._sent[name] for name in files}
        gone = {one.digest for one in before.files.values()} - {one.digest for one in files.values()}
        old = [state_name(self._job_id, number) for number in range(max(1, before.number), self._state.number)]
        self._storage.delete([*old, *(file_name(self._job_id, digest) for digest in gone)])

    def _counted(self, files: Mapping[str, Saved]) -> State:
        """Puts the list under the next number. Where that is taken by what was put here before, and only the answer was
        lost, the one after it is the next."""
        state = State(self._state.number + 1, files, self._me)
        while True:
            try:
                put_state(self._storage, self._job_id, state)
                return state
            except Taken:
                found = latest(self._storage, self._job_id)
                if found.by != self._me:
                    raise _elsewhere() from None
                state = replace(state, number=found.number + 1)

    def _put(self, name: str, whole: bool) -> Saved:
        path = self.folder / name
        mark, (before, saved) = _mark(path), self._sent.get(name, (None, Saved("", 0)))
        if mark == before or (before is not None and not whole and _hardly_grown(name, mark, saved)):
            return saved
        linked = next((one for other, one in self._sent.values() if other == mark), None)  # another name of the same
        if linked is None:
            linked = Saved(sha256_of(path), mark.bytes)
            self._storage.put(file_name(self._job_id, linked.digest), path, linked.digest)
        self._sent[name] = mark, linked
        return linked

    def _names(self) -> list[str]:
        """What the folder holds but pictures and what is half-written."""
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return sorted(name for name in found if PARTIAL not in name and not PICTURE.fullmatch(name))

    # ------------------------------------------------------------------------------------------- pictures

    def draw(self, name: str, data: bytes) -> None:
        self._aside.do(lambda: put_picture(self._storage, self._job_id, name, data))

    def rub_out(self, name: str) -> None:
        self._aside.do(lambda: self._storage.delete([picture_name(self._job_id, name)]))

    def after(self, send: Send) -> Send:
        return lambda message: self._aside.do(lambda: send(message))

    def end(self, over: bool) -> None:
        self._aside.close()
        try:
            self._save(whole=True)
        except StudioError as error:
            log.warning("the last of job %s was not saved: %s", self._job_id, error)
            over = error.key == "job.elsewhere"  # what lies here counts no more
        if over:
            shutil.rmtree(self.folder, ignore_errors=True)


def _elsewhere() -> StudioError:
    return StudioError("job.elsewhere", "This goes on on another machine by now, so this one ended it here.")


@dataclass(frozen=True)
class _Mark:
    """By which a file is known to be as it was, without reading it."""

    inode: int
    changed: int
    bytes: int


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return _Mark(found.st_ino, found.st_mtime_ns, found.st_size)


def _hardly_grown(name: str, mark: _Mark, saved: Saved) -> bool:
    return fnmatchcase(name, _LOGS) and saved.bytes <= mark.bytes < saved.bytes * (1 + _GROWN)
