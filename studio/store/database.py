"""Opens the database so that an acknowledged row survives a kill, and brings an older one up to date.

Knows SQLite's modes and Alembic. Writes begin IMMEDIATE: two writers then wait for each other instead of one
failing half-way when it tries to turn its read lock into a write lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from pipelines.durable import DiskFull

MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """A database that is up to date; sessions to read it and to write it."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        _upgrade(self.engine)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment of the database and writes nothing."""
        with self._sessions() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that holds the write lock from its start, and commits, synced to disk, at its end.

        Raises ``DiskFull`` where there is no room; nothing of the session is kept then.
        """
        with self._sessions() as session:
            try:
                session.connection(execution_options={"writes": True})
                yield session
                session.commit()
            except OperationalError as error:
                if "disk is full" in str(error.orig):
                    raise DiskFull from error
                raise

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is switched off: ours says IMMEDIATE
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _upgrade(engine: Engine) -> None:
    """Runs the migrations that are missing; Alembic is imported only where there are some, as it takes a while."""
    if _revision(engine) == _newest():
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").first()
        if tables is None:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return None if row is None else str(row[0])


def _newest() -> str:
    """Revisions are numbered files (``0001_jobs.py``), so the newest is the last by name."""
    return sorted(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))[-1].split("_")[0]
