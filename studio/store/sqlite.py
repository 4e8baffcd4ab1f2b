"""SQLite: one file, one writer at a time, and nothing acknowledged that a kill or a power cut could take back.

Writes begin IMMEDIATE: two writers then wait for each other instead of one failing half-way when it tries to turn its
read lock into a write lock.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from studio.store.json_text import dumps

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON")


def open_engine(url: str) -> Engine:
    """Connections in the modes above; those with the execution option ``writes`` take the write lock first."""
    engine = create_engine(url, json_serializer=dumps, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is switched off: ours says IMMEDIATE
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def is_full(error: OperationalError) -> bool:
    """Whether there was no room left to write."""
    return "disk is full" in str(error.orig)


def is_in_use(path: Path) -> bool:
    """Whether anybody has the database in ``path`` open."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")  # in WAL mode: nobody else is there, not even to read
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return True
            raise
    return False
