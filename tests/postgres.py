"""A PostgreSQL of the tests' own: a server in a temporary folder, reached by a socket in it, and a database a test.

Needs Debian's ``postgresql`` package or another installation whose programs are on the path. The server refuses to run
as root, so there it runs as the package's own user.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine

from studio.store.database import Database

DEBIAN = Path("/usr/lib/postgresql")
#: what is lost when a machine fails does not matter here, and syncing is most of a test's time
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

#: of connections: whose holds the lock of whoever leads
LOCKED = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted)"


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, the newest; None where there is none."""
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    found = str(versions[-1]) if versions else shutil.which("initdb")
    return None if found is None else Path(found).parent


class PostgreSQL:
    """A running server. Databases come from a template that the migrations were run on once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._admin = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        self._run("CREATE DATABASE template")
        Database(self._url("template")).close()

    def fresh(self) -> str:
        """The address of a database with all tables and nothing in them."""
        name = f"studio_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE template")
        return self._url(name)

    def empty(self) -> str:
        """The address of a database without tables."""
        name = f"studio_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return self._url(name)

    def close(self) -> None:
        self._admin.dispose()

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://atelier@/{name}?host={self._folder}"

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)


def cut(url: str, where: str) -> None:
    """Ends connections to a database, chosen in the server's own words."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    ours = "datname = current_database() AND pid <> pg_backend_pid()"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours} AND {where}")
    admin.dispose()


@contextmanager
def running(bin_folder: Path, syncing: bool = False) -> Iterator[PostgreSQL]:
    """A server for as long as the context lasts; ``syncing`` as real ones do."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    made = [bin_folder / "initdb", "-D", data, "-U", "atelier", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run(made, user=user, check=True, capture_output=True, cwd=folder)
    options = [f"unix_socket_directories={folder}", "listen_addresses=", *(() if syncing else CARELESS)]
    command = [bin_folder / "postgres", "-D", data, *(part for option in options for part in ("-c", option))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(bin_folder, folder, server)
        found = PostgreSQL(folder)
        yield found
        found.close()
    finally:
        server.send_signal(signal.SIGINT)  # without waiting for who is still connected
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(bin_folder: Path, folder: Path, server: subprocess.Popen[bytes], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while subprocess.run([bin_folder / "pg_isready", "-q", "-h", folder], check=False).returncode:
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"PostgreSQL does not start: {(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
