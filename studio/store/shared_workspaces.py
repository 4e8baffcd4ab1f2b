"""The folders of jobs where several machines share them: written through to a storage, fetched to where a job goes on.

What a job has saved is one list of names and hashes, ``jobs/ID/state/NUMBER``, put once all the files it names are
there, ``jobs/ID/files/SHA256``. The list with the highest number counts: so a save counts whole or not at all, a
checkpoint and the snapshot that is the same file are stored once, and of two machines that both believe a job to be
theirs the second that saves finds the number taken and stops. Pictures, ``jobs/ID/pictures/NAME``, are not on the list:
nobody goes on from them. They are sent by a thread, so that no device waits for it.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from pipelines.durable import PARTIAL, copy_durably
from pipelines.errors import StudioError
from pipelines.storage import Storage, StorageAway, Taken, sha256_of, torn
from studio.store.shared_blobs import Copies
from studio.store.workspaces import FOLDER, PREVIEWS, Send, Workspace, Workspaces, like

log = logging.getLogger(__name__)

_PICTURE = re.compile(r"(preview|sample)-[^/]+")
_STATE = re.compile(r"state/(\d{9})")
#: a log that is only ever added to is sent again once it has grown by this part, and at the end: else it would be sent
#: whole with every save. A machine's death costs at most so much of its end.
_GROWN = 1 / 8
_LOGS = "tensorboard/*"
#: seconds for which a page that asks three times a second is told the same list
_FRESH = 2.0


@dataclass(frozen=True)
class Saved:
    """A file of a job: its sha256 and its bytes."""

    digest: str
    bytes: int


@dataclass(frozen=True)
class State:
    """What a job saved last: the ``number`` of the list, 0 where there is none, and the list."""

    number: int
    files: Mapping[str, Saved]


class SharedWorkspaces(Workspaces):
    """``Workspaces`` in ``storage``; ``folder`` holds those of jobs that run here, ``copies`` what was looked at."""

    def __init__(self, storage: Storage, folder: Path, copies: Copies) -> None:
        super().__init__(folder)
        self._storage = storage
        self._copies = copies
        self._listed: dict[str, tuple[float, State]] = {}
        self._guard = threading.Lock()
        self._later = Outbox()

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
                    found.digest, self._storage.get(_file(job_id, found.digest)), self._storage.address
                )
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"job {job_id} has no {name}")

    def read(self, job_id: str, name: str) -> bytes:
        if _PICTURE.fullmatch(name):
            return self._storage.get(_picture(job_id, name)).read()
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
        gone = {_file(job_id, one.digest) for one in state.files.values()}
        gone -= {_file(job_id, one.digest) for one in kept.values()}
        if len(kept) < len(state.files):
            try:
                _put_state(self._storage, job_id, State(state.number + 1, kept))
            except Taken:  # it goes on somewhere after all
                return sum(there[name] for name in pictures)
            self._storage.delete([_state(job_id, state.number), *gone])
        return sum(there.get(name, 0) for name in (*pictures, *gone))


class SharedWorkspace(Workspace):
    """The folder of a job that runs here, beginning with what the job saved last, wherever that was."""

    def __init__(self, storage: Storage, job_id: str, folder: Path, claim: bool) -> None:
        super().__init__(folder)
        self._storage, self._job_id = storage, job_id
        self._outbox = Outbox()
        self._drawn: dict[str, bytes] = {}
        self._state = self._claimed(claim)
        self._sent: dict[str, tuple[_Mark, Saved]] = {}
        self._fetch()

    # ------------------------------------------------------------------------------------------- beginning

    def _claimed(self, claim: bool) -> State:
        """The last state; with ``claim`` it is put again under the next number, which nobody else then has."""
        while True:
            found = latest(self._storage, self._job_id)
            if not claim:
                return found
            try:
                _put_state(self._storage, self._job_id, State(found.number + 1, found.files))
            except Taken:  # whoever had the job before has saved in between
                continue
            self._sweep(State(found.number + 1, found.files))
            return State(found.number + 1, found.files)

    def _sweep(self, state: State) -> None:
        """Takes away what a kill left of saves that do not count."""
        kept = {_state(self._job_id, state.number), *(_file(self._job_id, one.digest) for one in state.files.values())}
        there = [one.name for one in self._storage.list(f"{FOLDER}/{self._job_id}") if "/pictures/" not in one.name]
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
            for piece in self._storage.get(_file(self._job_id, saved.digest)):
                file.write(piece)
            file.flush()
            if sha256_of(partial) != saved.digest:
                raise torn(path.name, self._storage.address)
            file.seek(0)
            copy_durably(file, path)
        partial.unlink()

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
        state, before = State(self._state.number + 1, files), self._state
        try:
            _put_state(self._storage, self._job_id, state)
        except Taken:
            raise StudioError(
                "job.elsewhere", "This goes on on another machine by now, so this one ended it here."
            ) from None
        self._state, self._sent = state, {name: self._sent[name] for name in files}
        gone = {one.digest for one in before.files.values()} - {one.digest for one in files.values()}
        old = [_state(self._job_id, before.number)] if before.number else []
        self._storage.delete([*old, *(_file(self._job_id, digest) for digest in gone)])

    def _put(self, name: str, whole: bool) -> Saved:
        path = self.folder / name
        mark, (before, saved) = _mark(path), self._sent.get(name, (None, Saved("", 0)))
        if mark == before or (before is not None and not whole and _hardly_grown(name, mark, saved)):
            return saved
        linked = next((one for other, one in self._sent.values() if other == mark), None)  # another name of the same
        if linked is None:
            linked = Saved(sha256_of(path), mark.bytes)
            self._storage.put(_file(self._job_id, linked.digest), path, linked.digest)
        self._sent[name] = mark, linked
        return linked

    def _names(self) -> list[str]:
        """What the folder holds but pictures and what is half-written."""
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return sorted(name for name in found if PARTIAL not in name and not _PICTURE.fullmatch(name))

    # ------------------------------------------------------------------------------------------- pictures

    def draw(self, name: str, data: bytes) -> None:
        self._outbox.do(lambda: self._draw(name, data))

    def _draw(self, name: str, data: bytes) -> None:
        try:
            self._storage.put(_picture(self._job_id, name), data)
        except Taken:  # drawn anew after a step back: the later one counts
            self._storage.delete([_picture(self._job_id, name)])
            self._storage.put(_picture(self._job_id, name), data)

    def rub_out(self, name: str) -> None:
        self._outbox.do(lambda: self._storage.delete([_picture(self._job_id, name)]))

    def after(self, send: Send) -> Send:
        return lambda message: self._outbox.do(lambda: send(message))

    def end(self, over: bool) -> None:
        self._outbox.close()
        try:
            self._save(whole=True)
        except StudioError as error:
            log.warning("the last of job %s was not saved: %s", self._job_id, error)
            return
        if over:
            shutil.rmtree(self.folder, ignore_errors=True)


class Outbox:
    """Does things one after the other in a thread of its own; whoever is far ahead of it waits. What fails is logged:
    nobody needs it for going on."""

    def __init__(self) -> None:
        self._todo: queue.Queue[Callable[[], object] | None] = queue.Queue(maxsize=64)
        self._thread: threading.Thread | None = None

    def do(self, what: Callable[[], object]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
            self._thread.start()
        self._todo.put(what)

    def close(self) -> None:
        """Waits until all is done."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (what := self._todo.get()) is not None:
            try:
                what()
            except StudioError as error:
                log.warning("not done: %s", error)


# --------------------------------------------------------------------------------------------------- in the storage


def publish(storage: Storage, job_id: str, folder: Path) -> None:
    """Puts the folder of a job that runs nowhere into the storage. Raises ``Taken`` where it is there already."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and PARTIAL not in path.name):
        name = path.relative_to(folder).as_posix()
        if not _PICTURE.fullmatch(name):
            files[name] = Saved(sha256_of(path), path.stat().st_size)
            storage.put(_file(job_id, files[name].digest), path, files[name].digest)
        elif not like(name, [PREVIEWS]):
            storage.put(_picture(job_id, name), path)
    if files:
        _put_state(storage, job_id, State(1, files))


def latest(storage: Storage, job_id: str) -> State:
    """What the job saved last."""
    for _ in range(3):  # the list may be replaced before it is read
        there = (one.name.removeprefix(f"{FOLDER}/{job_id}/") for one in storage.list(f"{FOLDER}/{job_id}/state"))
        numbers = [int(found[1]) for name in there if (found := _STATE.fullmatch(name))]
        if not numbers:
            break
        try:
            listed = json.loads(storage.get(_state(job_id, max(numbers))).read())
        except FileNotFoundError:
            continue
        return State(max(numbers), {name: Saved(digest, size) for name, (digest, size) in listed["files"].items()})
    return State(0, {})


def _put_state(storage: Storage, job_id: str, state: State) -> None:
    """Raises ``Taken`` where somebody else has put a state of this number, were it the same one."""
    files = {name: (one.digest, one.bytes) for name, one in state.files.items()}
    data = json.dumps({"files": files, "by": os.urandom(8).hex()}).encode()
    storage.put(_state(job_id, state.number), data)


def _state(job_id: str, number: int) -> str:
    return f"{FOLDER}/{job_id}/state/{number:09d}"


def _file(job_id: str, digest: str) -> str:
    return f"{FOLDER}/{job_id}/files/{digest}"


def _picture(job_id: str, name: str) -> str:
    return f"{FOLDER}/{job_id}/pictures/{name}"


@dataclass(frozen=True)
class _Mark:
    """By which a file is known to be as it was, without reading it."""

    inode: int
    changed: int
    bytes: int


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return _Mark(found.st_ino, found.st_mtime_ns, found.st_size)


def _is_preview(name: str) -> bool:
    return fnmatchcase(name, f"{FOLDER}/*/pictures/{PREVIEWS}")


def _hardly_grown(name: str, mark: _Mark, saved: Saved) -> bool:
    return fnmatchcase(name, _LOGS) and saved.bytes <= mark.bytes < saved.bytes * (1 + _GROWN)


def open_workspaces(data: Path, storage: Storage | None, room: int) -> Workspaces:
    """Those of the studio in ``data``."""
    if storage is None:
        return Workspaces(data / FOLDER)
    return SharedWorkspaces(storage, data / FOLDER, Copies(data / "cache" / "blobs", room))
