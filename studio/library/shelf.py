"""The library as it is looked through: filters, sorting, words to search, pages that stay fast however much there is.

Knows rows. A page begins after the last item of the one before (its value in the order, and its id), so that page 800
costs what page 1 costs, and nothing is shown twice or left out where something new was made meanwhile. Somebody else's
items are not there; nor are somebody else's tags and collections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from sqlalchemy import CTE, ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.library.library import Item, item_of
from studio.store.database import Database
from studio.store.shelf import CollectedRow, CollectionRow, TagRow
from studio.store.tables import BlobRow, ItemRow
from studio.store.words import matching

Sort = Literal["newest", "oldest", "title", "largest", "best"]
Kind = Literal["all", "pictures", "films", "texts", "generators"]
SORTS: tuple[Sort, ...] = get_args(Sort)
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST = 200

_GENERATOR = ItemRow.name.endswith(".safetensors")
_KINDS: Mapping[str, ColumnElement[bool]] = {
    "pictures": ItemRow.media_type.startswith("image/"),
    "films": ItemRow.media_type.startswith("video/"),
    "texts": ItemRow.media_type.startswith("text/"),
    "generators": _GENERATOR,
}


@dataclass(frozen=True)
class Query:
    """What to show of a library: everything that fits all of it."""

    words: str = ""
    kind: Kind = "all"
    starred: bool = False
    tag: str = ""
    collection: str = ""
    sort: Sort = "newest"

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Query:
        """From what was posted; a ``StudioError`` names the rule and the value of what makes no sense."""
        kind, sort = str(values.get("kind") or "all"), str(values.get("sort") or "newest")
        if kind not in KINDS:
            raise _choice("kind", KINDS, kind)
        if sort not in SORTS:
            raise _choice("sort", SORTS, sort)
        texts = {name: str(values.get(name) or "").strip() for name in ("words", "tag", "collection")}
        return cls(kind=kind, sort=sort, starred=bool(values.get("starred")), **texts)


@dataclass(frozen=True)
class Page:
    """Some items in order. ``after`` is what the next page begins after, None on the last. ``count``: of all pages."""

    items: list[Item]
    after: tuple[float | str, str] | None
    count: int | None = None
    tags: Mapping[str, list[str]] = field(default_factory=dict)
    collections: Mapping[str, list[str]] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """For the page and the API: each item with its tags and collections."""
        more: Any = {one.id: {"tags": self.tags.get(one.id, []), "collections": self.collections.get(one.id, [])}
                     for one in self.items}  # fmt: skip
        return {
            "items": [one.json() | more[one.id] for one in self.items],
            "after": None if self.after is None else list(self.after),
            "count": self.count,
        }


class Shelf:
    """``page`` after ``page`` of one person's library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        owner: str,
        query: Query,
        after: Sequence[float | str] | None = None,
        limit: int = 60,
    ) -> Page:
        """The next ``limit`` items after ``after``, which an earlier page gave; the first ones where it is None."""
        limit = max(1, min(limit, MOST))
        with self._database.read() as session:
            found, value, falling = _ordered(session, owner, query)
            count = _count(session, owner, query) if after is None else None
            if after is not None:
                found = found.where(_beyond(value, falling, after))
            order = (value.desc() if falling else value.asc(), ItemRow.id.asc())
            rows = session.execute(found.order_by(*order).limit(limit + 1)).all()
            items = [item_of(row, size) for row, size, _ in rows[:limit]]
            last = (rows[limit - 1][2], rows[limit - 1][0].id) if len(rows) > limit else None
            return Page(items, last, count, _tags(session, items), _collections(session, items))

    def chosen(self, owner: str, query: Query, ids: Sequence[str]) -> Page:
        """Those of ``ids`` that fit ``query``, in the order of ``ids``, on one page."""
        place = {name: number for number, name in enumerate(ids)}
        with self._database.read() as session:
            found, _, _ = _ordered(session, owner, replace(query, sort="newest"))
            rows = session.execute(found.where(ItemRow.id.in_(ids[:MOST]))).all()
            items = sorted((item_of(row, size) for row, size, _ in rows), key=lambda item: place[item.id])
            return Page(items, None, len(items), _tags(session, items), _collections(session, items))

    def some(self, owner: str, ids: Sequence[str]) -> list[Item]:
        """Exactly these, in this order; a ``StudioError`` where one of them is not ``owner``'s."""
        found: dict[str, Item] = {}
        query = select(ItemRow, BlobRow.bytes).join(BlobRow, ItemRow.digest == BlobRow.digest)
        with self._database.read() as session:
            for start in range(0, len(ids), 500):
                mine = query.where(ItemRow.owner == owner, ItemRow.id.in_(ids[start : start + 500]))
                found |= {row.id: item_of(row, size) for row, size in session.execute(mine)}
        for name in ids:
            if name not in found:
                raise StudioError("item.unknown", "There is nothing named {item} in your library.", item=name[:40])
        return [found[name] for name in ids]

    def ids(self, owner: str, query: Query, limit: int) -> list[str]:
        """The items' ids alone, in order: what "all of these" means."""
        with self._database.read() as session:
            found, value, falling = _ordered(session, owner, query)
            order = (value.desc() if falling else value.asc(), ItemRow.id.asc())
            return [row.id for row, _, _ in session.execute(found.order_by(*order).limit(limit))]


def _ordered(session: Session, owner: str, query: Query) -> tuple[Select[Any], ColumnElement[Any], bool]:
    """(items with their bytes and their value in the order, that value, whether it falls)."""
    sort: str = query.sort
    matches = None if (found := matching(session, owner, query.words)) is None else _once(found)
    if sort == "best" and matches is None:
        sort = "newest"
    values: dict[str, tuple[Any, bool]] = {
        "newest": (ItemRow.created, True),
        "oldest": (ItemRow.created, False),
        "title": (ItemRow.title, False),
        "largest": (BlobRow.bytes, True),
        "best": (matches.c.rank if matches is not None else ItemRow.created, False),
    }
    value, falling = values[sort]
    chosen: Select[Any] = select(ItemRow, BlobRow.bytes, value.label("value"))
    chosen = chosen.join(BlobRow, ItemRow.digest == BlobRow.digest)
    if matches is not None:
        chosen = chosen.join(matches, matches.c.item == ItemRow.id)
    return chosen.where(*_conditions(owner, query)), value, falling


def _count(session: Session, owner: str, query: Query) -> int:
    counted = select(func.count()).select_from(ItemRow)
    if (found := matching(session, owner, query.words)) is not None:
        matches = _once(found)
        counted = counted.join(matches, matches.c.item == ItemRow.id)
    return int(session.scalar(counted.where(*_conditions(owner, query))) or 0)


def _once(found: Select[Any]) -> CTE:
    """What was found by its words, looked up once and not for every row that it is joined with."""
    return found.cte("found").prefix_with("MATERIALIZED")


def _conditions(owner: str, query: Query) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [ItemRow.owner == owner]
    if query.kind in _KINDS:
        wanted.append(_KINDS[query.kind])
    if query.starred:
        wanted.append(ItemRow.starred.is_(True))
    if query.tag:
        wanted.append(ItemRow.id.in_(select(TagRow.item).where(TagRow.owner == owner, TagRow.tag == query.tag)))
    if query.collection:
        mine = select(CollectedRow.item).join(CollectionRow, CollectionRow.id == CollectedRow.collection)
        wanted.append(
            ItemRow.id.in_(mine.where(CollectionRow.owner == owner, CollectedRow.collection == query.collection))
        )
    return wanted


def _beyond(value: ColumnElement[Any], falling: bool, after: Any) -> ColumnElement[bool]:
    """What comes later than an item in the order; equal values are told apart by their ids. ``after`` is as posted."""
    if not isinstance(after, (list, tuple)) or len(after) != 2 or not _is_value(after[0]) or type(after[1]) is not str:
        raise StudioError("shelf.after", "A page begins after what the page before it ended with, not {value}.",
                          value=str(after)[:60])  # fmt: skip
    further = value < after[0] if falling else value > after[0]
    not_before = value <= after[0] if falling else value >= after[0]  # said once more, as an index can be used for it
    return and_(not_before, or_(further, ItemRow.id > after[1]))


def _is_value(posted: object) -> bool:
    """Whether a database can compare with it."""
    return isinstance(posted, str) or (isinstance(posted, (int, float)) and abs(posted) < 2**63)


def _tags(session: Session, items: Sequence[Item]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = select(TagRow.item, TagRow.tag).where(TagRow.item.in_([one.id for one in items])).order_by(TagRow.tag)
    for item, tag in session.execute(rows):
        found.setdefault(item, []).append(tag)
    return found


def _collections(session: Session, items: Sequence[Item]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = select(CollectedRow.item, CollectedRow.collection).where(CollectedRow.item.in_([one.id for one in items]))
    for item, collection in session.execute(rows):
        found.setdefault(item, []).append(collection)
    return found


def _choice(name: str, choices: Sequence[str], value: str) -> StudioError:
    return StudioError(
        "rule.choice",
        "{field} must be one of {choices}; you gave {value}.",
        field=name,
        choices=", ".join(choices),
        value=value[:40],
    )
