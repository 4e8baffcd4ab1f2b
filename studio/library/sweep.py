"""What of the library and of uploads nobody needs any more, and what the blob folder holds beyond that.

Knows rows and files. Rows go first, in one transaction; a kill before their files are gone leaves files without a row,
which the next round finds. A file that was asked for a moment ago is left alone, whatever the rows say.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, delete, exists, or_, select
from sqlalchemy.orm import Session

from studio.library.bin import bins_of
from studio.library.library import Library
from studio.store.database import Database
from studio.store.people import ShareRow
from studio.store.shelf import CollectionRow, EdgeRow
from studio.store.tables import BlobRow, ItemRow, JobRow, UploadRow

#: for how long after it was written or asked for a file without a row is left alone: its row may be on the way
YOUNG = 3600.0


def sweep_uploads(database: Database, before: float, needed: Collection[str]) -> int:
    """Takes back uploads from before a time that nothing of their owner's names; returns how many.

    What was made of one and lies in the library names it, a job in one of the states ``needed``, and one that ended
    since. Files are left to ``sweep_files``.
    """
    with database.write() as session:
        old = session.execute(select(UploadRow.owner, UploadRow.digest).where(UploadRow.created < before)).all()
        gone = [(owner, digest) for owner, digest in old if not _is_named(session, owner, digest, before, needed)]
        for owner, digest in gone:
            session.execute(delete(UploadRow).where(UploadRow.owner == owner, UploadRow.digest == digest))
        forget_blobs(session, {digest for _, digest in gone})
    return len(gone)


def _is_named(session: Session, owner: str, digest: str, before: float, needed: Collection[str]) -> bool:
    item = exists().where(ItemRow.owner == owner, _says(ItemRow.recipe, digest))
    lately = or_(JobRow.state.in_(needed), JobRow.ended >= before)
    job = exists().where(and_(JobRow.owner == owner, lately, _says(JobRow.request, digest)))
    return bool(session.scalar(select(or_(item, job))))


def _says(column: Any, digest: str) -> ColumnElement[bool]:
    """Whether the JSON in ``column`` names a file anywhere."""
    return cast(column, Text).contains(digest)


def forget_blobs(session: Session, digests: Iterable[str]) -> None:
    """Takes files out of the list that no row names any more."""
    item = exists().where(or_(ItemRow.digest == BlobRow.digest, ItemRow.thumbnail == BlobRow.digest))
    upload = exists().where(UploadRow.digest == BlobRow.digest)
    session.execute(delete(BlobRow).where(BlobRow.digest.in_(list(digests)), ~item, ~upload))


def sweep_files(library: Library, young: float = YOUNG) -> tuple[int, int]:
    """Removes files that no row names, left by a kill or by a round that took their rows; how many, and their bytes."""
    return library.blobs.sweep_old(library.listed(), time.time() - young)


def sweep_shares(database: Database, before: float) -> int:
    """Forgets links that were taken back or ran out before a time; returns how many."""
    over = or_(ShareRow.taken_back < before, ShareRow.expires < before)
    with database.write() as session:
        gone = list(session.scalars(select(ShareRow.id).where(over)))
        session.execute(delete(ShareRow).where(ShareRow.id.in_(gone)))
    return len(gone)


def sweep_owner(session: Session, owner: str) -> None:
    """Takes everything of one owner's out of the library, within the transaction that ends their account."""
    theirs = or_(ItemRow.owner == owner, ItemRow.owner.like(bins_of(owner), escape="\\"))
    digests = {
        *session.scalars(select(UploadRow.digest).where(UploadRow.owner == owner)),
        *session.scalars(select(ItemRow.digest).where(theirs)),
        *session.scalars(select(ItemRow.thumbnail).where(theirs, ItemRow.thumbnail.is_not(None))),
    }
    session.execute(delete(UploadRow).where(UploadRow.owner == owner))
    session.execute(delete(ItemRow).where(theirs))  # what hangs on an item goes with it
    for table in (CollectionRow, EdgeRow):
        session.execute(delete(table).where(table.owner == owner))
    forget_blobs(session, {digest for digest in digests if digest})
