"""Links to what somebody made, for people without an account, until they are taken back.

Knows the table and the items. A link leads to one item of its maker and to nothing else of theirs; when the item is
deleted, its links are gone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import select

from pipelines.errors import StudioError
from studio.accounts.secret import kept, new_secret
from studio.library.library import Item, Library
from studio.store.database import Database
from studio.store.people import ShareRow
from studio.store.tables import ItemRow

MOST, MOST_DAYS = 200, 365


@dataclass(frozen=True)
class Share:
    """A link that works, without the words it is made of, which are said once."""

    id: int
    item: str
    title: str
    name: str
    created: float
    expires: float | None


class Shares:
    """The links of one studio. ``owner`` comes first everywhere; somebody else's link is simply not there."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library

    def make(self, owner: str, item_id: str, days: int = 0) -> str:
        """A new link's words. ``days``: how long it works; 0 until it is taken back."""
        self._library.get(owner, item_id)
        if not 0 <= days <= MOST_DAYS:
            raise StudioError(
                "share.days", "A link works 0 to {most} days; you gave {value}.", most=MOST_DAYS, value=days
            )
        if len(self.of(owner)) >= MOST:
            raise StudioError("share.most", "{limit} links are the most; take one back.", limit=MOST)
        secret, now = new_secret(), time.time()
        expires = now + days * 86_400 if days else None
        with self._database.write() as session:
            session.add(ShareRow(digest=kept(secret), owner=owner, item=item_id, created=now, expires=expires))
        return secret

    def of(self, owner: str) -> list[Share]:
        """``owner``'s links that work, newest first."""
        query = select(ShareRow, ItemRow.title, ItemRow.name).join(ItemRow, ShareRow.item == ItemRow.id)
        query = query.where(ShareRow.owner == owner, ItemRow.owner == owner, ShareRow.taken_back.is_(None)).order_by(
            ShareRow.id.desc()
        )
        with self._database.read() as session:
            found = session.execute(query).all()
        return [
            Share(row.id, row.item, title, name, row.created, row.expires) for row, title, name in found if _works(row)
        ]

    def take_back(self, owner: str, share: int) -> Share:
        """Ends a link at once; returns which it was."""
        found = next((one for one in self.of(owner) if one.id == share), None)
        if found is None:
            raise StudioError("share.unknown", "You have no such link.")
        with self._database.write() as session:
            session.get_one(ShareRow, share).taken_back = time.time()
        return found

    def item(self, secret: str) -> Item | None:
        """What a link leads to; None where it leads nowhere (any more)."""
        with self._database.read() as session:
            query = select(ShareRow).join(ItemRow, ShareRow.item == ItemRow.id).where(ItemRow.owner == ShareRow.owner)
            row = session.scalars(query.where(ShareRow.digest == kept(secret))).first()
        return self._library.get(row.owner, row.item) if row is not None and _works(row) else None


def _works(row: ShareRow) -> bool:
    return row.taken_back is None and (row.expires is None or row.expires > time.time())
