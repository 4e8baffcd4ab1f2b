"""Opens the database so that an acknowledged row survives a kill, and brings an older one up to date.

Knows Alembic, and which module knows the server behind an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, inspect, make_url, select
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from pipelines.durable import DiskFull
from pipelines.errors import StudioError
from studio.store import postgres, sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
#: notices that something which processes remember is another now; each says what
CHANGED = "changed"
KINDS = {"sqlite": sqlite, "postgresql": postgres}


class Database:
    """A database that is up to date; sessions to read it and to write it.

    Raises ``StudioError`` where ``url`` is no address of a database that a studio can use, or nobody answers there.
    """

    def __init__(self, url: str) -> None:
        self._kind = KINDS[_kind_of(url)]
        self.engine = self._kind.open_engine(url)
        try:
            _upgrade(self.engine)
        except OperationalError as error:
            raise _unreachable(url, error) from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @property
    def shared(self) -> bool:
        """Whether several processes may be at work on it."""
        return self._kind is postgres

    def notify(self, session: Session, channel: str, words: str) -> None:
        """Tells every process that listens (``studio.store.lines``), once what the session writes is there."""
        if self.shared:
            session.execute(select(func.pg_notify(channel, words)))

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
                if self._kind.is_full(error):
                    raise DiskFull from error
                raise

    def close(self) -> None:
        self.engine.dispose()


def insert(session: Session, table: type[DeclarativeBase]) -> Any:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``..._do_update``, which both databases spell alike."""
    dialect = session.get_bind().dialect.name
    return postgresql_dialect.insert(table) if dialect == "postgresql" else sqlite_dialect.insert(table)


def _kind_of(url: str) -> str:
    try:
        kind = make_url(url).get_backend_name()
    except ArgumentError:
        kind = ""
    if kind not in KINDS:
        raise StudioError(
            "database.kind",
            "--database is an address such as postgresql+psycopg://name:password@host/atelier, not {url}.",
            url=_without_password(url),
        )
    return kind


def _unreachable(url: str, error: OperationalError) -> StudioError:
    return StudioError(
        "database.away",
        "The database {url} cannot be opened: {reason}.",
        url=_without_password(url),
        reason=str(error.orig).strip().splitlines()[0][:200],
    )


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url[:80]


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
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return None if row is None else str(row[0])


def _newest() -> str:
    """Revisions are numbered files (``0001_jobs.py``), so the newest is the last by name."""
    return sorted(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))[-1].split("_")[0]
