"""All rows of one database into another, empty one: all of them or none, and compared row by row before it counts.

Knows tables only; whether the files that rows name are there is their owner's business.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import Table, func, select, text, tuple_
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.store.database import Database
from studio.store.json_text import finite
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


def _batches(session: Session, table: Table) -> Generator[list[dict[str, Any]]]:
    """All rows, as every database takes them."""
    with session.execute(select(table).execution_options(yield_per=BATCH)) as found:
        for rows in found.partitions():
            yield [{name: _taken(value) for name, value in row._mapping.items()} for row in rows]


def _taken(value: Any) -> Any:
    """A text without NUL, which no PostgreSQL has and no request any more; JSON without numbers that are none."""
    if isinstance(value, str):
        return value.replace("\0", "")
    return finite(value) if isinstance(value, (dict, list)) else value


def _copy(old: Session, new: Session, table: Table) -> int:
    count = 0
    with closing(_batches(old, table)) as batches:
        for batch in batches:
            new.execute(table.insert(), batch)
            count += len(batch)
    return count


def _compare(old: Session, new: Session, table: Table) -> None:
    """Looks up each row by its key: names are sorted otherwise by whoever knows languages."""
    keys, number = list(table.primary_key.columns), 0
    with closing(_batches(old, table)) as batches:
        for batch in batches:
            wanted = [tuple(row[column.name] for column in keys) for row in batch]
            found = new.execute(select(table).where(tuple_(*keys).in_(wanted)))
            there = {tuple(row._mapping[column.name] for column in keys): dict(row._mapping) for row in found}
            for key, row in zip(wanted, batch, strict=True):
                number += 1
                if there.get(key) != row:
                    raise _differs(table, number)
    if number != new.scalar(select(func.count()).select_from(table)):
        raise _differs(table, number + 1)


def _differs(table: Table, number: int) -> StudioError:
    return StudioError(
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
