"""What people made and what they gave us to work on, each seen by its owner only.

Knows rows and blobs. Deleting an item deletes its file once nothing else names it; one that was put a moment ago is
left to the sweep, as somebody may be making the same thing again. Somebody else's item is simply not there.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
from sqlalchemy import delete, func, or_, select, union
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.library.edges import forget_edges
from studio.library.found_by import prompt_of, write_words
from studio.library.likeness import keep_vector
from studio.library.made import Made
from studio.store.blobs import Blobs
from studio.store.database import Database, insert
from studio.store.shelf import ToIndexRow
from studio.store.tables import BlobRow, ItemRow, UploadRow

#: items of one transaction that deletes: a writer holds up all others
_SOME = 100


@dataclass(frozen=True)
class Item:
    """One thing in somebody's library. ``recipe`` is what is inside the file too."""

    id: str
    owner: str
    job_id: str | None
    kind: str
    title: str
    name: str
    media_type: str
    digest: str
    bytes: int
    width: int
    height: int
    created: float
    has_thumbnail: bool
    starred: bool = False
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"/library/{self.id}/{quote(self.name)}"

    @property
    def download_url(self) -> str:
        return f"{self.url}?download=1"

    @property
    def thumbnail_url(self) -> str | None:
        return f"/library/{self.id}/thumbnail" if self.has_thumbnail else None

    def json(self) -> dict[str, Any]:
        """For events and the API: everything but the owner."""
        return {
            "id": self.id,
            "job_id": self.job_id,
            "kind": self.kind,
            "title": self.title,
            "name": self.name,
            "media_type": self.media_type,
            "digest": self.digest,
            "bytes": self.bytes,
            "width": self.width,
            "height": self.height,
            "created": self.created,
            "url": self.url,
            "thumbnail_url": self.thumbnail_url,
            "download_url": self.download_url,
            "starred": self.starred,
            "recipe": dict(self.recipe),
        }


class Library:
    """Items and uploads by owner."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self.blobs = blobs

    def items(self, owner: str, kinds: Sequence[str] = (), limit: int = 60, before: float | None = None) -> list[Item]:
        """``owner``'s items, newest first; ``before`` (a time of creation) pages on."""
        query = select(ItemRow, BlobRow.bytes).join(BlobRow, ItemRow.digest == BlobRow.digest)
        query = query.where(ItemRow.owner == owner).order_by(ItemRow.created.desc(), ItemRow.id).limit(limit)
        if kinds:
            query = query.where(ItemRow.kind.in_(kinds))
        if before is not None:
            query = query.where(ItemRow.created < before)
        with self._database.read() as session:
            return [item_of(row, size) for row, size in session.execute(query)]

    def of_job(self, owner: str, job_id: str) -> list[Item]:
        """What ``job_id`` made, in the order in which it was made."""
        query = select(ItemRow, BlobRow.bytes).join(BlobRow, ItemRow.digest == BlobRow.digest)
        query = query.where(ItemRow.owner == owner, ItemRow.job_id == job_id).order_by(ItemRow.created, ItemRow.id)
        with self._database.read() as session:
            return [item_of(row, size) for row, size in session.execute(query)]

    def get(self, owner: str, item_id: str) -> Item:
        with self._database.read() as session:
            row = session.get(ItemRow, item_id)
            if row is None or row.owner != owner:
                raise StudioError("item.unknown", "There is nothing named {item} in your library.", item=item_id[:40])
            blob = session.get_one(BlobRow, row.digest)
            return item_of(row, blob.bytes)

    def thumbnail(self, owner: str, item_id: str) -> tuple[str, int] | None:
        """Digest and bytes of the thumbnail, None where the item has none."""
        self.get(owner, item_id)
        with self._database.read() as session:
            digest = session.get_one(ItemRow, item_id).thumbnail
            return None if digest is None else (digest, session.get_one(BlobRow, digest).bytes)

    def delete(self, owner: str, item_id: str) -> None:
        """Takes the item out of the library; its file goes when nothing else names it."""
        self.get(owner, item_id)
        self.delete_many(owner, [item_id])

    def delete_many(self, owner: str, items: Sequence[str], edges_of: str = "") -> int:
        """The same of many, all or none of each hundred; returns how many there were. Others' are left alone.

        ``edges_of``: whose family tree they are in, where that is not ``owner``.
        """
        parts = [items[start : start + _SOME] for start in range(0, len(items), _SOME)]
        return sum(self._delete(owner, some, edges_of or owner) for some in parts)

    def _delete(self, owner: str, items: Sequence[str], edges_of: str) -> int:
        with self._database.write() as session:
            rows = list(session.scalars(select(ItemRow).where(ItemRow.owner == owner, ItemRow.id.in_(items))))
            digests = {digest for row in rows for digest in (row.digest, row.thumbnail) if digest}
            made = [(row.digest, row.job_id) for row in rows]
            for row in rows:
                session.delete(row)
            session.flush()
            forget_edges(session, edges_of, made)
            gone = [digest for digest in digests if not _named(session, digest)]
            session.execute(delete(BlobRow).where(BlobRow.digest.in_(gone)))
        for digest in gone:  # after the commit: a kill here leaves an orphan, which the sweep finds
            self.blobs.remove(digest, time.time() - self.blobs.young)
        return len(rows)

    def keep_upload(self, owner: str, data: bytes, media_type: str = "application/octet-stream") -> str:
        """Keeps a file somebody gave us; returns the sha256 to name it by in a request."""
        digest = self.blobs.put(data)
        with self._database.write() as session:
            _list_blob(session, digest, len(data), media_type)
            row = {"owner": owner, "digest": digest, "created": time.time()}
            again = {"index_elements": ["owner", "digest"], "set_": {"created": row["created"]}}
            session.execute(insert(session, UploadRow).values(row).on_conflict_do_update(**again))
        return digest

    def has(self, owner: str, data: bytes) -> bool:
        """Whether ``owner`` gave or made these very bytes before."""
        digest = hashlib.sha256(data).hexdigest()
        with self._database.read() as session:
            item = select(ItemRow.id).where(ItemRow.owner == owner, ItemRow.digest == digest).limit(1)
            return session.get(UploadRow, (owner, digest)) is not None or session.execute(item).first() is not None

    def check_owned(self, owner: str, digests: Iterable[str]) -> None:
        """Raises a ``StudioError`` unless ``owner`` uploaded or made every file named. A digest is no key.

        An upload that is named again counts as new, so that it is not swept before the job that names it is written.
        """
        wanted = list(digests)
        if not wanted:
            return
        with self._database.write() as session:
            for digest in wanted:
                upload = session.get(UploadRow, (owner, digest))
                if upload is not None:
                    upload.created = time.time()
                item = select(ItemRow.id).where(ItemRow.owner == owner, ItemRow.digest == digest).limit(1)
                if upload is None and session.execute(item).first() is None:
                    raise StudioError(
                        "file.unknown", "There is no file {digest} of yours; upload it again.", digest=digest[:12]
                    )

    def stored(self, owner: str) -> int:
        """Bytes of what ``owner`` made and gave us, each file counted once."""
        mine = union(
            select(ItemRow.digest).where(ItemRow.owner == owner),
            select(UploadRow.digest).where(UploadRow.owner == owner),
        )
        with self._database.read() as session:
            return int(session.scalar(select(func.sum(BlobRow.bytes)).where(BlobRow.digest.in_(mine))) or 0)

    def listed(self) -> set[str]:
        """Every digest that a row names."""
        with self._database.read() as session:
            return set(session.scalars(select(BlobRow.digest)))


def add_items(session: Session, owner: str, job_id: str, kind: str, made: Sequence[Made]) -> list[Item]:
    """Lists finished files, within the transaction that ends their job: both are there, or neither."""
    items = []
    now = time.time()
    for number, one in enumerate(made):
        _list_blob(session, one.digest, one.bytes, one.media_type)
        if one.thumbnail is not None:
            _list_blob(session, one.thumbnail, one.thumbnail_bytes, "image/webp")
        row = ItemRow(
            id=uuid.uuid4().hex,
            owner=owner,
            job_id=job_id,
            kind=kind,
            title=one.title,
            name=one.name,
            media_type=one.media_type,
            digest=one.digest,
            thumbnail=one.thumbnail,
            width=one.width,
            height=one.height,
            recipe=dict(one.recipe),
            created=now + number * 1e-5,  # keeps the order of making when sorted by time
        )
        session.add(row)
        session.flush()
        _index(session, row, one)
        items.append(item_of(row, one.bytes))
    return items


def _index(session: Session, row: ItemRow, made: Made) -> None:
    """What it is found by, and what is yet to be found out about it by ``studio.library.indexer``."""
    write_words(session, row)
    if made.looks is not None:
        keep_vector(session, row.owner, row.id, "looks", np.frombuffer(made.looks, np.float32))
    later: tuple[str, ...] = ("sources",) if made.looks is not None else ("sources", "looks")
    if prompt_of(row.recipe):
        later = (*later, "words")
    session.execute(insert(session, ToIndexRow), [{"item": row.id, "what": what} for what in later])


def items_of(session: Session, job_id: str) -> list[Item]:
    """What of a job is listed already, in the order of making."""
    query = select(ItemRow, BlobRow.bytes).join(BlobRow, BlobRow.digest == ItemRow.digest)
    rows = session.execute(query.where(ItemRow.job_id == job_id).order_by(ItemRow.created))
    return [item_of(row, size) for row, size in rows]


def _list_blob(session: Session, digest: str, size: int, media_type: str) -> None:
    row = {"digest": digest, "bytes": size, "media_type": media_type, "created": time.time()}
    session.execute(insert(session, BlobRow).values(row).on_conflict_do_nothing())


def _named(session: Session, digest: str) -> bool:
    item = select(ItemRow.id).where(or_(ItemRow.digest == digest, ItemRow.thumbnail == digest)).limit(1)
    upload = select(UploadRow.owner).where(UploadRow.digest == digest).limit(1)
    return session.execute(item).first() is not None or session.execute(upload).first() is not None


def item_of(row: ItemRow, size: int) -> Item:
    return Item(
        id=row.id,
        owner=row.owner,
        job_id=row.job_id,
        kind=row.kind,
        title=row.title,
        name=row.name,
        media_type=row.media_type,
        digest=row.digest,
        bytes=size,
        width=row.width,
        height=row.height,
        created=row.created,
        has_thumbnail=row.thumbnail is not None,
        starred=row.starred,
        recipe=row.recipe,
    )
