"""Weights that several machines share: whoever fetched some from outside puts them into the storage for the others.

Knows a storage's four verbs, notes and hashes. A model is there once its note is, which is put after its files;
each of those is named by its sha256 and compared with it when it comes. One machine at a time goes outside for a model:
it says so by a file, and gives a sign of life by others; whoever waits and sees none for a minute goes itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.base import Report
from pipelines.durable import DiskFull, is_full, write_durably
from pipelines.entries import Entry
from pipelines.errors import StudioError
from pipelines.sources import check_room, put_in_place
from pipelines.storage import Storage, Taken
from pipelines.verify import ENTRY, Note, hash_files, read_note, write_note

log = logging.getLogger(__name__)

FOLDER, ADDED = "models", "added-models"
#: seconds between two signs of life of who goes outside, and without one until somebody else does
BEAT, SILENCE = 10.0, 60.0
_LOOK = 0.5


class SharedModels:
    """The models in ``storage``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def bring(self, entry: Entry, target: Path, report: Report, outside: Callable[[], None]) -> None:
        """Puts the entry's weights at ``target``, out of the storage; where they are not there, by ``outside``, and
        then into the storage. The caller holds the model's lock on this machine. ``report`` may raise to cancel."""
        while not self.fetch(entry, target, report):
            with self._turn(entry) as mine:
                if mine:
                    if not self.fetch(entry, target, report):  # else somebody was done a moment ago
                        outside()
                        self.offer(entry, target)
                    return
            self._wait(entry, report)

    def fetch(self, entry: Entry, target: Path, report: Report) -> bool:
        """Puts the weights at ``target`` if they are in the storage, each file checked; False where they are not.

        What came whole before a cancel is not fetched again.
        """
        found = self._listed(entry)
        if found is None:
            return False
        note, own = found
        total, done = sum(size for _, size in note.files.values()), 0
        check_room(target.parent, total, entry.title)
        beside = target.parent / f".shared-{entry.folder_name}"
        for path, (digest, size) in note.files.items():
            if not self._fetched(entry, digest, beside / path, size, _after(done, total, report)):
                self._forget(entry, digest)
                shutil.rmtree(beside)
                return False
            done += size
        report("verifying", total, total, "byte")
        _keep_only(beside, note)
        if own:
            write_durably(beside / ENTRY, own.encode())
        write_note(beside, note)
        put_in_place(beside, target)
        return True

    def _listed(self, entry: Entry) -> tuple[Note, str] | None:
        """Which files the model has, and its entry where that was kept with it. None where it is not there; a list that
        is none, or not what the catalogue pins, is thrown away and counts as not there."""
        try:
            kept = json.loads(self._storage.get(_note(entry)).read())
            files = {_inside(path): (str(digest), int(size)) for path, (digest, size) in kept["files"].items()}
            if not files or any(files.get(path, ("", 0))[0] != digest for path, digest in entry.files.items()):
                raise ValueError("other files than the catalogue pins")
            return Note(str(kept["source"]), str(kept["revision"]), files), str(kept["entry"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("the list of files of %s in %s is no good: %s", entry.name, self._storage.address, error)
            self._storage.delete([_note(entry)])
            return None

    def _fetched(self, entry: Entry, digest: str, path: Path, size: int, report: Callable[[int], None]) -> bool:
        """Whether the file could be put at ``path`` and is what it should be. What a kill left is gone on from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            before = path.stat().st_size if path.exists() else 0
            try:
                with path.open("a+b") as file:
                    file.seek(0)
                    sha = hashlib.file_digest(file, "sha256")
                    for piece in self._storage.get(_file(entry, digest), before) if before < size else ():
                        report(file.tell())
                        file.write(piece)
                        sha.update(piece)
                    file.flush()
                    os.fsync(file.fileno())
            except FileNotFoundError:
                return False
            except OSError as error:
                if is_full(error):
                    raise DiskFull from error
                raise
            if sha.hexdigest() == digest:
                return True
            path.unlink()
            if not before:
                return False

    def _forget(self, entry: Entry, digest: str) -> None:
        """A file is missing or torn: the model counts as not there, so that it is fetched from outside and put anew."""
        log.error("%s in %s is not whole any more and is fetched anew", entry.name, self._storage.address)
        self._storage.delete([_note(entry), _file(entry, digest)])

    def offer(self, entry: Entry, folder: Path) -> None:
        """``put`` of what was fetched a moment ago. It is there already; so where the storage does not take it, that is
        only logged."""
        try:
            self.put(entry, folder)
        except StudioError as error:
            log.warning("%s is on this machine only: %s", entry.name, error)

    def put(self, entry: Entry, folder: Path) -> None:
        """Puts what was fetched and checked in ``folder`` into the storage, where it is not there yet."""
        note = read_note(folder)
        if note is None:
            raise ValueError(f"{folder} was never checked")
        own = folder / ENTRY
        kept = {
            "source": note.source,
            "revision": note.revision,
            "files": note.files,
            "entry": own.read_text("utf-8") if own.is_file() else "",
        }
        for path, (digest, _) in note.files.items():
            self._storage.put(_file(entry, digest), folder / path, digest)
        try:
            self._storage.put(_note(entry), json.dumps(kept, sort_keys=True).encode())
        except Taken:
            log.info("%s was put into the storage by another machine before", entry.name)

    # ------------------------------------------------------------------------------- an operator's own models

    def publish(self, entry: Entry, folder: Path, report: Report) -> None:
        """Puts an operator's own model into the storage with its entry, so that every machine knows it."""
        files = hash_files(folder, entry.files, report)
        for path, (digest, _) in files.items():
            self._storage.put(_file(entry, digest), folder / path, digest)
        kept = {"source": entry.source, "revision": "", "files": files, "entry": ""}
        self._replace(_note(entry), json.dumps(kept, sort_keys=True).encode())
        self._replace(f"{ADDED}/{entry.folder_name}.json", entry.model_dump_json().encode())

    def known(self, folder_name: str) -> Entry | None:
        """The entry of an operator's model that another machine put there; None where there is none."""
        try:
            return Entry.model_validate_json(self._storage.get(f"{ADDED}/{folder_name}.json").read())
        except FileNotFoundError:
            return None

    def _replace(self, name: str, data: bytes) -> None:
        try:
            self._storage.put(name, data)
        except Taken:
            self._storage.delete([name])
            self._storage.put(name, data)

    # ------------------------------------------------------------------------------------- one goes outside

    @contextmanager
    def _turn(self, entry: Entry) -> Iterator[bool]:
        """Whether this machine is the one that goes; as long as the context lasts it then gives signs of life."""
        me = os.urandom(8).hex()
        try:
            self._storage.put(_turn(entry), me.encode())
        except Taken:
            yield False
            return
        done = threading.Event()
        thread = threading.Thread(target=self._beat, args=(entry, me, done), name="models-beat", daemon=True)
        thread.start()
        try:
            yield True
        finally:
            done.set()
            thread.join()
            try:
                self._storage.delete([_turn(entry), *self._beats(entry)])
            except StudioError as error:  # the silence will tell
                log.warning("nobody could be told that %s was fetched: %s", entry.name, error)

    def _beat(self, entry: Entry, me: str, done: threading.Event) -> None:
        number, last = 0, ""
        while not done.wait(BEAT):
            number += 1
            name = f"{_beats(entry)}/{me}-{number}"
            try:
                self._storage.put(name, b"")
                self._storage.delete([last] if last else [])
            except StudioError as error:
                log.warning("no sign of life while %s is fetched: %s", entry.name, error)
                continue
            last = name

    def _beats(self, entry: Entry) -> list[str]:
        return sorted(one.name for one in self._storage.list(_beats(entry)))

    def _wait(self, entry: Entry, report: Report) -> None:
        """Until whoever goes outside is back, or has been silent for long: then the place is free."""
        seen, since = self._signs(entry), time.monotonic()
        while True:
            report("waiting")
            time.sleep(_LOOK)
            now = self._signs(entry)
            if now is None:
                return
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > SILENCE:
                self._storage.delete([_turn(entry), *self._beats(entry)])
                return

    def _signs(self, entry: Entry) -> Any:
        """What changes as long as somebody is at it; None where nobody is."""
        try:
            who = self._storage.get(_turn(entry)).read()
        except FileNotFoundError:
            return None
        return who, self._beats(entry)


def _after(done: int, total: int, report: Report) -> Callable[[int], None]:
    """``report`` for a file before which so many bytes of all came."""
    return lambda here: report("fetching", done + here, total, "byte")


def _inside(path: str) -> str:
    """``path`` itself, if it leads into the model's folder and nowhere else."""
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/") or "\0" in path:
        raise ValueError(f"no file of a model: {path[:100]!r}")
    return path


def _keep_only(folder: Path, note: Note) -> None:
    """Takes away what lies there of an earlier fetch and is no part of the model."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in note.files:
            path.unlink()


def _note(entry: Entry) -> str:
    """By the source and what is pinned of it: another catalogue may pin others of the same name."""
    pinned = json.dumps([entry.source if entry.where.kind != "path" else "path", sorted(entry.files.items())])
    return f"{FOLDER}/{entry.folder_name}/notes/{hashlib.sha256(pinned.encode()).hexdigest()[:16]}.json"


def _file(entry: Entry, digest: str) -> str:
    return f"{FOLDER}/{entry.folder_name}/files/{digest}"


def _turn(entry: Entry) -> str:
    return f"{FOLDER}/{entry.folder_name}/turn/who"


def _beats(entry: Entry) -> str:
    return f"{FOLDER}/{entry.folder_name}/beats"
