"""All rows of one database into another, empty one: all of them or none, and compared row by row before it counts.

Knows tables only; whether the files that rows name are there is their owner's business.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from itertools import islice, zip_longest
from typing import Any

from sqlalchemy import Integer, Row, Table, func, select, text
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.store.database import Database
from studio.store.people import AccountRow  # its module adds its tables to those of studio.store.tables
from studio.store.shelf import WordsRow  # the same

BATCH = 500
if AccountRow.metadata is not WordsRow.metadata:
    raise TypeError("the tables are not all in one place")
TABLES = tuple(AccountRow.metadata.sorted_tables)


def move(source: Database, target: Database) -> Mapping[str, int]:
    """Copies every row; returns how many by table.

    Raises ``StudioError``, and leaves ``target`` as it was, where it holds anything yet or a row arrived as another.
    """
    with source.read() as old, target.write() as new:
        for table in TABLES:
            _refuse_full(new, table)
        moved = {table.name: _copy(old, new, table) for table in TABLES}
        for table in TABLES:
            _compare(old, new, table)
            _go_on_counting(new, table)
    return moved


def _refuse_full(session: Session, table: Table) -> None:
    if count := session.scalar(select(func.count()).select_from(table)):
        raise StudioError(
            "move.full",
            "The new database must be empty, and its table {table} has {count} rows already.",
            table=table.name,
            count=int(count),
        )


def _rows(session: Session, table: Table) -> Generator[Row[Any]]:
    """In the order of the key, which is the same in both databases only for numbers: names compare by their bytes."""
    ordered = select(table).order_by(*(_bytewise(session, column) for column in table.primary_key.columns))
    with session.execute(ordered.execution_options(yield_per=BATCH)) as found:
        yield from found


def _bytewise(session: Session, column: Any) -> Any:
    plain = isinstance(column.type, Integer) or session.get_bind().dialect.name != "postgresql"
    return column if plain else column.collate("C")


def _copy(old: Session, new: Session, table: Table) -> int:
    rows, count = _rows(old, table), 0
    while batch := [dict(row._mapping) for row in islice(rows, BATCH)]:
        new.execute(table.insert(), batch)
        count += len(batch)
    return count


def _compare(old: Session, new: Session, table: Table) -> None:
    with closing(_rows(old, table)) as ours, closing(_rows(new, table)) as theirs:
        for number, (one, other) in enumerate(zip_longest(ours, theirs), 1):
            if one is None or other is None or tuple(one) != tuple(other):
                raise StudioError(
                    "move.differs",
                    "Row {number} of {table} is another in the new database; nothing was kept there.",
                    number=number,
                    table=table.name,
                )


def _go_on_counting(session: Session, table: Table) -> None:
    """PostgreSQL numbers new rows from a sequence, which rows that bring their number do not move."""
    key = table.autoincrement_column
    if key is None or session.get_bind().dialect.name != "postgresql":
        return
    highest = session.scalar(select(func.max(key)))
    if highest is not None:
        query = text("SELECT setval(pg_get_serial_sequence(:name, :key), :highest)")
        session.execute(query, {"name": table.name, "key": key.name, "highest": highest})
