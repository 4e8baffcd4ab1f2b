"""What jobs have saved, as it lies in a storage that several machines share: which files count, and where they are.

What a job has saved is one list of names and hashes, ``jobs/ID/state/NUMBER``, put once all the files it names are
there, ``jobs/ID/files/SHA256``. The list with the highest number counts: so a save counts whole or not at all, a
checkpoint and the snapshot that is the same file are stored once, and of two machines that both believe a job to be
theirs the second that saves finds the number taken and stops. Pictures, ``jobs/ID/pictures/NAME``, are not on the list:
nobody goes on from them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.durable import PARTIAL
from pipelines.storage import Source, Storage, StorageAway, Taken, sha256_of, torn
from studio.store.workspaces import FOLDER, PREVIEWS, like

PICTURE = re.compile(r"(preview|sample)-[^/]+")
#: how often a list may be replaced while it is read
_TRIES = 10
#: whose word is in a list that nobody has worked with yet
_PUBLISHED = "published"
_STATE = re.compile(r"state/(\d{9})")


@dataclass(frozen=True)
class Saved:
    """A file of a job: its sha256 and its bytes."""

    digest: str
    bytes: int


@dataclass(frozen=True)
class State:
    """What a job saved last: the ``number`` of the list, 0 where there is none, the list, and a word for who put it."""

    number: int
    files: Mapping[str, Saved]
    by: str = ""


def publish(storage: Storage, job_id: str, folder: Path) -> None:
    """Puts the folder of a job that runs nowhere into the storage, or what is new in it since that was done before.

    Raises ``Taken`` where the job has gone on there since.
    """
    before, files = latest(storage, job_id), {}
    if before.number and before.by != _PUBLISHED:
        raise Taken(job_id)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and PARTIAL not in path.name):
        name = path.relative_to(folder).as_posix()
        if not PICTURE.fullmatch(name):
            files[name] = Saved(sha256_of(path), path.stat().st_size)
            storage.put(file_name(job_id, files[name].digest), path, files[name].digest)
        elif not like(name, [PREVIEWS]):
            put_picture(storage, job_id, name, path)
    if files != before.files:
        put_state(storage, job_id, State(before.number + 1, files, _PUBLISHED))
        gone = {one.digest for one in before.files.values()} - {one.digest for one in files.values()}
        storage.delete([state_name(job_id, before.number), *(file_name(job_id, digest) for digest in gone)])


def put_picture(storage: Storage, job_id: str, name: str, source: Source) -> None:
    """Puts a picture, in the place of another one of this name: the later one counts."""
    try:
        storage.put(picture_name(job_id, name), source)
    except Taken:  # drawn anew after a step back
        storage.delete([picture_name(job_id, name)])
        storage.put(picture_name(job_id, name), source)


def latest(storage: Storage, job_id: str) -> State:
    """What the job saved last. Raises ``StorageAway`` where that is listed and cannot be had."""
    for _ in range(_TRIES):
        number = max(numbers(storage, job_id), default=0)
        if not number:
            return State(0, {})
        try:
            return _read(storage, job_id, number)
        except FileNotFoundError:  # another one has replaced it
            continue
    raise StorageAway(storage.address, f"{state_name(job_id, number)} is listed and not there")


def numbers(storage: Storage, job_id: str) -> list[int]:
    """Of the lists that are there: more than one where somebody is just replacing one, or was killed over it."""
    there = (one.name.removeprefix(f"{FOLDER}/{job_id}/") for one in storage.list(f"{FOLDER}/{job_id}/state"))
    return [int(found[1]) for name in there if (found := _STATE.fullmatch(name))]


def _read(storage: Storage, job_id: str, number: int) -> State:
    name = state_name(job_id, number)
    try:
        listed = json.loads(storage.get(name).read())
        files = {path: Saved(str(digest), int(size)) for path, (digest, size) in listed["files"].items()}
        return State(number, files, str(listed["by"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise torn(name, storage.address) from error


def put_state(storage: Storage, job_id: str, state: State) -> None:
    """Raises ``Taken`` where somebody else has put a state of this number or a higher one, were it of the same files.

    A number is free again once the next one is there, so whoever was away for longer looks whether there is one.
    """
    files = {name: (one.digest, one.bytes) for name, one in state.files.items()}
    name = state_name(job_id, state.number)
    storage.put(name, json.dumps({"files": files, "by": state.by or word()}).encode())
    if max(numbers(storage, job_id), default=0) > state.number:
        storage.delete([name])
        raise Taken(name)


def word() -> str:
    """One that nobody else has."""
    return os.urandom(8).hex()


def state_name(job_id: str, number: int) -> str:
    return f"{FOLDER}/{job_id}/state/{number:09d}"


def file_name(job_id: str, digest: str) -> str:
    return f"{FOLDER}/{job_id}/files/{digest}"


def picture_name(job_id: str, name: str) -> str:
    return f"{FOLDER}/{job_id}/pictures/{name}"
