"""What a person puts on their things to find them again: stars, tags, collections; for many things at once.

Knows rows. Everything is the owner's: an item or a collection of somebody else is not there, and where one of many is
not there, nothing is changed.
"""

from __future__ import annotations

import time
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.store.database import Database, insert
from studio.store.shelf import CollectedRow, CollectionRow, TagRow
from studio.store.tables import ItemRow
from studio.store.words import write_tags

MOST_AT_ONCE, MOST_TAGS, MOST_COLLECTIONS = 5000, 50, 500
LONGEST_TAG, LONGEST_NAME = 40, 80
_SOME = 500  # names in one statement, of which a database takes a limited number


@dataclass(frozen=True)
class Collection:
    """``count`` things are in it; ``cover`` is the newest of them that has a thumbnail, or empty."""

    id: str
    name: str
    count: int
    cover: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)


class Marks:
    """``owner`` comes first everywhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------------------------------ stars and tags

    def star(self, owner: str, items: Sequence[str], on: bool = True) -> None:
        """Puts a star on each item, or takes it off."""
        with self._database.write() as session:
            for some in _owned(session, owner, items):
                session.execute(update(ItemRow).where(ItemRow.id.in_(some)).values(starred=on))

    def tag(self, owner: str, items: Sequence[str], add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Puts tags on each item and takes others off. A tag is 1 to 40 characters; an item has at most 50."""
        adding, removing = [_word(one) for one in add], [_word(one) for one in remove]
        with self._database.write() as session:
            for some in _owned(session, owner, items):
                session.execute(delete(TagRow).where(TagRow.item.in_(some), TagRow.tag.in_(removing)))
                rows = [{"item": item, "tag": tag, "owner": owner} for item in some for tag in adding]
                if rows:
                    session.execute(insert(session, TagRow).on_conflict_do_nothing(), rows)
                _check_tags(session, some)
                write_tags(session, some)

    def tags(self, owner: str) -> list[tuple[str, int]]:
        """The owner's tags and on how many things each is, the commonest first."""
        count = func.count()
        query = select(TagRow.tag, count).where(TagRow.owner == owner).group_by(TagRow.tag)
        with self._database.read() as session:
            return [
                (tag, number) for tag, number in session.execute(query.order_by(count.desc(), TagRow.tag).limit(500))
            ]

    # --------------------------------------------------------------------------------------------- collections

    def collections(self, owner: str) -> list[Collection]:
        """The owner's collections by name."""
        query = select(CollectionRow, func.count(CollectedRow.item)).where(CollectionRow.owner == owner)
        query = query.outerjoin(CollectedRow, CollectedRow.collection == CollectionRow.id).group_by(CollectionRow.id)
        with self._database.read() as session:
            found = session.execute(query.order_by(CollectionRow.folded)).all()
            return [Collection(row.id, row.name, count, _cover(session, row.id)) for row, count in found]

    def make_collection(self, owner: str, name: str) -> str:
        """A new, empty collection; returns its id."""
        clean, made = _name(name), uuid.uuid4().hex
        row = CollectionRow(id=made, owner=owner, name=clean, folded=clean.casefold(), created=time.time())
        try:
            with self._database.write() as session:
                mine = select(func.count()).select_from(CollectionRow).where(CollectionRow.owner == owner)
                if int(session.scalar(mine) or 0) >= MOST_COLLECTIONS:
                    raise StudioError(
                        "collection.most", "{limit} collections are the most; delete one first.", limit=MOST_COLLECTIONS
                    )
                session.add(row)
                session.flush()
        except IntegrityError:
            raise _taken(clean) from None
        return made

    def rename_collection(self, owner: str, collection: str, name: str) -> None:
        clean = _name(name)
        try:
            with self._database.write() as session:
                row = _collection(session, owner, collection)
                row.name, row.folded = clean, clean.casefold()
                session.flush()
        except IntegrityError:
            raise _taken(clean) from None

    def delete_collection(self, owner: str, collection: str) -> None:
        """The collection goes; what was in it stays in the library."""
        with self._database.write() as session:
            session.delete(_collection(session, owner, collection))

    def collect(self, owner: str, collection: str, items: Sequence[str], on: bool = True) -> None:
        """Puts each item in a collection, or takes it out."""
        with self._database.write() as session:
            _collection(session, owner, collection)
            now = time.time()
            for some in _owned(session, owner, items):
                if on:
                    rows = [{"collection": collection, "item": item, "added": now} for item in some]
                    session.execute(insert(session, CollectedRow).on_conflict_do_nothing(), rows)
                else:
                    inside = CollectedRow.collection == collection
                    session.execute(delete(CollectedRow).where(inside, CollectedRow.item.in_(some)))


def _owned(session: Session, owner: str, items: Sequence[str]) -> Iterator[list[str]]:
    """``items`` some at a time; a ``StudioError`` before any is given out where one of them is not the owner's."""
    wanted = list(dict.fromkeys(items))
    if not wanted:
        raise StudioError("items.none", "Nothing is chosen. Choose one thing or more first.")
    if len(wanted) > MOST_AT_ONCE:
        raise StudioError(
            "items.many",
            "{limit} things at once are the most; you chose {count}.",
            limit=MOST_AT_ONCE,
            count=len(wanted),
        )
    parts = [wanted[start : start + _SOME] for start in range(0, len(wanted), _SOME)]
    for some in parts:
        mine = set(session.scalars(select(ItemRow.id).where(ItemRow.owner == owner, ItemRow.id.in_(some))))
        for item in some:
            if item not in mine:
                raise StudioError("item.unknown", "There is nothing named {item} in your library.", item=str(item)[:40])
    yield from parts


def _check_tags(session: Session, items: Sequence[str]) -> None:
    counted = select(TagRow.item).where(TagRow.item.in_(items)).group_by(TagRow.item)
    if session.scalars(counted.having(func.count() > MOST_TAGS).limit(1)).first() is not None:
        raise StudioError("tag.most", "A thing has at most {limit} tags; take one off first.", limit=MOST_TAGS)


def _collection(session: Session, owner: str, collection: str) -> CollectionRow:
    row = session.get(CollectionRow, collection)
    if row is None or row.owner != owner:
        raise StudioError("collection.unknown", "You have no collection {value}.", value=str(collection)[:40])
    return row


def _cover(session: Session, collection: str) -> str:
    query = select(ItemRow.id).join(CollectedRow, CollectedRow.item == ItemRow.id)
    query = query.where(CollectedRow.collection == collection, ItemRow.thumbnail.is_not(None))
    return session.scalar(query.order_by(CollectedRow.added.desc(), ItemRow.id).limit(1)) or ""


def _clean(words: str) -> str:
    """In one spelling, without what cannot be seen."""
    return " ".join("".join(c for c in unicodedata.normalize("NFKC", words) if c.isprintable()).split())


def _word(tag: str) -> str:
    clean = _clean(tag).casefold()
    if not 1 <= len(clean) <= LONGEST_TAG or "," in clean:
        raise StudioError(
            "tag.word",
            "A tag has 1 to {limit} characters and no comma; you gave {value}.",
            limit=LONGEST_TAG,
            value=tag[:60],
        )
    return clean


def _name(name: str) -> str:
    clean = _clean(name)
    if not 1 <= len(clean) <= LONGEST_NAME:
        raise StudioError(
            "collection.name",
            "A collection's name has 1 to {limit} characters; yours has {value}.",
            limit=LONGEST_NAME,
            value=len(clean),
        )
    return clean


def _taken(name: str) -> StudioError:
    return StudioError("collection.taken", "You have a collection named {name} already.", name=name)
