"""PostgreSQL 15 and later, for studios of more than one process: the same promises as SQLite's, kept by a server.

Readers see one moment. Writers wait for each other, as they do in SQLite: what is counted before something is written,
such as somebody's waiting jobs, still holds when it is. That is one advisory lock a transaction, which the server
gives back by itself when a connection dies. No text holds a NUL, which requests leave out already: what comes in
another way (a name to look something up by) is looked up without.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from pipelines.errors import StudioError
from studio.store.json_text import dumps

#: the number of the writers' lock, the same in every process of a studio: "atelier" in ASCII
WRITERS = int.from_bytes(b"atelier")
#: SQLSTATE 53100, disk_full
DISK_FULL = "53100"


def open_engine(url: str) -> Engine:
    """Connections that are tried before use, as a server may have been restarted meanwhile.

    Raises ``StudioError`` where its driver is not installed.
    """
    if find_spec("psycopg") is None:
        raise StudioError(
            "database.driver", "PostgreSQL needs a driver that is not installed: pip install -e '.[cluster]'."
        )
    kept = {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 30}
    engine = create_engine(url, json_serializer=dumps, hide_parameters=True, **kept)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.adapters.register_dumper(str, _without_nul())

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (WRITERS,))
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    return engine


def is_full(error: OperationalError) -> bool:
    """Whether there was no room left to write."""
    return getattr(error.orig, "sqlstate", None) == DISK_FULL


def _without_nul() -> type[Any]:
    """The driver's way to send a text, which refuses a NUL, as the server does."""
    from psycopg.types.string import StrDumperUnknown

    class Dumper(StrDumperUnknown):
        def dump(self, obj: str) -> bytes | bytearray | memoryview | None:
            return super().dump(obj.replace("\0", ""))

    return Dumper
