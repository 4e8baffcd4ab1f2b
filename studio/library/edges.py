"""What was made of what, written down as edges between files: read from the request of the job that made a thing.

Knows rows, and of a request only which files it names (``request.files()``), its prompts, data set and parent, so that
it holds for kinds of job that are yet to come. A prompt counts as made by the text tab where it is, to the letter, a
text in the owner's library; a zip of pictures as made of those pictures in it that are in the library, byte by byte.
"""

from __future__ import annotations

import hashlib
import logging
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from pipelines.registry import registration
from pipelines.training.datasets import DATASETS
from studio.store.blobs import Blobs
from studio.store.database import insert
from studio.store.shelf import EdgeRow
from studio.store.tables import ItemRow, JobRow, UploadRow

log = logging.getLogger(__name__)

#: what a source is named by that is no file
JOB, SET = "job:", "set:"
#: of a zip: files that are looked at, and bytes of one
MOST_FILES, MOST_BYTES = 20_000, 64_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Something a thing was made from. ``name``: a sha256, or job: or set: and a name."""

    name: str
    role: str
    title: str
    kind: str


def record(session: Session, blobs: Blobs, item: ItemRow) -> None:
    """Writes down what ``item`` was made from. Again is no harm."""
    job = None if item.job_id is None else session.get(JobRow, item.job_id)
    if job is None:
        return
    for source in _sources(session, item.owner, job):
        if source.name != item.digest:
            _write(session, item.owner, item.digest, source)
        if source.kind == "upload":
            _record_zip(session, blobs, item.owner, source)


def _sources(session: Session, owner: str, job: JobRow) -> Iterator[Source]:
    request: Mapping[str, Any] = job.request
    parent = str(request.get("parent") or "")
    for digest, role in _files(job):
        if not (parent and role == "begin"):  # the snapshot of a training: the training itself is named below
            yield _file(session, owner, digest, role, str(request.get("name") or ""))
    for text in _prompts(request):
        for spelled in (text, text.strip(), text.strip() + "\n"):
            made = _newest(session, owner, hashlib.sha256(spelled.encode()).hexdigest())
            if made is not None and made.media_type.startswith("text/"):
                yield Source(made.digest, "prompt", made.title, made.kind)
                break
    begun_with = session.get(JobRow, parent) if parent else None
    if begun_with is not None and begun_with.owner == owner:
        title = str(begun_with.request.get("name") or begun_with.request.get("dataset") or begun_with.kind)
        yield Source(JOB + begun_with.id, "parent", title, begun_with.kind)
    dataset = str(request.get("dataset") or "")
    if dataset in DATASETS:
        yield Source(SET + dataset, "dataset", dataset, "dataset")


def _files(job: JobRow) -> Iterator[tuple[str, str]]:
    """(sha256, the name of the setting that names it) of every file of the request."""
    try:
        files = registration(job.kind).request.parse(job.request).files()
    except StudioError as error:  # made by an earlier version, or by a plug-in that is gone
        log.warning("what job %s was made from cannot be read any more: %s", job.id, error)
        return
    for digest in dict.fromkeys(files):
        yield digest, next((name for name, value in job.request.items() if _holds(value, digest)), "file")


def _holds(value: Any, digest: str) -> bool:
    if isinstance(value, Mapping):
        return any(_holds(one, digest) for one in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds(one, digest) for one in value)
    return bool(value == digest)


def _prompts(request: Mapping[str, Any]) -> Iterator[str]:
    for name, value in request.items():
        if name.startswith("prompt"):
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(one, str) and one.strip():
                    yield one


def _file(session: Session, owner: str, digest: str, role: str, called: str) -> Source:
    """A file by what it is in the owner's library; else one that was given, as what the owner ``called`` it."""
    made = _newest(session, owner, digest)
    if made is not None:
        return Source(digest, role, made.title, made.kind)
    return Source(digest, role, called, "upload")


def _newest(session: Session, owner: str, digest: str) -> ItemRow | None:
    query = select(ItemRow).where(ItemRow.digest == digest, ItemRow.owner == owner)
    return session.scalars(query.order_by(ItemRow.created.desc()).limit(1)).first()


def _write(session: Session, owner: str, made: str, source: Source) -> None:
    row = {"owner": owner, "made": made, "source": source.name, "role": source.role, "title": source.title[:200],
           "kind": source.kind, "at": time.time()}  # fmt: skip
    session.execute(insert(session, EdgeRow).values(row).on_conflict_do_nothing())


def _record_zip(session: Session, blobs: Blobs, owner: str, source: Source) -> None:
    """The pictures in an uploaded zip that came from the library."""
    try:
        with blobs.open(source.name) as file:
            if not zipfile.is_zipfile(file):
                return
            with zipfile.ZipFile(file) as archive:
                found = list(dict.fromkeys(_digests(archive)))
    except FileNotFoundError:
        return
    for start in range(0, len(found), 500):
        some = found[start : start + 500]
        query = select(ItemRow).where(ItemRow.owner == owner, ItemRow.digest.in_(some)).order_by(ItemRow.created)
        for item in session.scalars(query):
            _write(session, owner, source.name, Source(item.digest, "picture", item.title, item.kind))


def _digests(archive: zipfile.ZipFile) -> Iterator[str]:
    for info in archive.infolist()[:MOST_FILES]:
        if info.is_dir() or info.file_size > MOST_BYTES:
            continue
        sha, left = hashlib.sha256(), info.file_size
        try:
            with archive.open(info) as file:
                while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                    sha.update(chunk)
                    left -= len(chunk)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):  # damaged, or locked with a password
            continue
        yield sha.hexdigest()


# ---------------------------------------------------------------------------------------------- forgetting


def forget_edges(session: Session, owner: str, made: Iterable[tuple[str, str | None]]) -> None:
    """Drops the edges of things that were deleted and that nothing descends from, and then of what those came from.

    ``made``: (sha256, job) of what was deleted. A thing that something descends from stays in the tree as deleted.
    """
    waiting = list(made)
    while waiting:
        digest, job = waiting.pop()
        names = [digest] if job is None else [digest, JOB + job]
        if _is_there(session, owner, digest) or _has_heirs(session, owner, names):
            continue
        mine = (EdgeRow.owner == owner, EdgeRow.made == digest)
        sources = list(session.scalars(select(EdgeRow.source).where(*mine)))
        session.execute(delete(EdgeRow).where(*mine))
        waiting += [(source, None) for source in sources if ":" not in source]


def _is_there(session: Session, owner: str, digest: str) -> bool:
    if session.get(UploadRow, (owner, digest)) is not None:
        return True
    return _newest(session, owner, digest) is not None


def _has_heirs(session: Session, owner: str, names: list[str]) -> bool:
    heirs = or_(*(EdgeRow.source == name for name in names))
    return session.scalars(select(EdgeRow.made).where(EdgeRow.owner == owner, heirs).limit(1)).first() is not None
