"""What was deleted and can still be brought back: for some minutes it belongs to nobody, with its file, tags and stars.

A thing in the bin keeps its rows under the name of a bin instead of its owner's: whatever looks for an owner's things
does not find it, and its file is one that a row names, which no sweep takes. The name says whose it was and since when.
Knows rows; who may delete what is looked up before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from studio.library.library import Library
from studio.store.database import Database
from studio.store.shelf import TagRow, VectorRow
from studio.store.tables import ItemRow

#: for how long what is in a bin can be brought back at least, in seconds
KEPT = 600.0
_BIN = "bin:"
_SOME = 500  # names in one statement, of which a database takes a limited number


class Bin:
    """The bins of one studio: one for each time that somebody deleted something. ``owner`` comes first."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library

    def put(self, owner: str, items: Sequence[str]) -> tuple[int, str]:
        """Takes things of ``owner`` out of the library; how many there were, and the word that brings them back."""
        word = f"{time.time_ns() // 1000}"
        with self._database.write() as session:
            count = sum(
                _hand_over(session, owner, _name(owner, word), items[start : start + _SOME])
                for start in range(0, len(items), _SOME)
            )
        return count, word

    def bring_back(self, owner: str, word: str) -> int:
        """Puts what was deleted then back where it was; how many things, 0 where they are gone for good."""
        with self._database.write() as session:
            there = list(session.scalars(select(ItemRow.id).where(ItemRow.owner == _name(owner, word))))
            return sum(
                _hand_over(session, _name(owner, word), owner, there[start : start + _SOME])
                for start in range(0, len(there), _SOME)
            )

    def empty(self, before: float) -> int:
        """Deletes for good what was put into a bin before a time; how many things."""
        with self._database.read() as session:
            bins = set(session.scalars(select(ItemRow.owner).where(ItemRow.owner.startswith(_BIN)).distinct()))
        return sum(self._empty(name) for name in bins if _since(name) < before)

    def _empty(self, name: str) -> int:
        with self._database.read() as session:
            there = list(session.scalars(select(ItemRow.id).where(ItemRow.owner == name)))
        return self._library.delete_many(name, there, edges_of=_owner(name))


def bins_of(owner: str) -> str:
    """A pattern for SQL's LIKE that the names of all bins of ``owner`` fit, with a backslash before what is meant."""
    plain = owner.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{_BIN}%:{plain}"


def _name(owner: str, word: str) -> str:
    return f"{_BIN}{word if word.isascii() and word.isdigit() else 0}:{owner}"


def _owner(name: str) -> str:
    return name.split(":", 2)[2]


def _since(name: str) -> float:
    return int(name.split(":", 2)[1]) / 1e6


def _hand_over(session: Session, giver: str, taker: str, items: Sequence[str]) -> int:
    mine = list(session.scalars(select(ItemRow.id).where(ItemRow.owner == giver, ItemRow.id.in_(items))))
    session.execute(update(ItemRow).where(ItemRow.id.in_(mine)).values(owner=taker))
    for table in (TagRow, VectorRow):
        session.execute(update(table).where(table.item.in_(mine)).values(owner=taker))
    return len(mine)
