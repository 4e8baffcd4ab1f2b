"""What tests of several folders need: both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.store.database import Database
from tests import postgres
from tests.postgres import PostgreSQL


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server; skips, with a word, where there is none."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with postgres.running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def up_to_date(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations were run on once, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "studio.db"
    Database(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of one's own, with all tables and nothing in them, of each kind in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("up_to_date"), tmp_path / "studio.db")
        return f"sqlite:///{tmp_path / 'studio.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.fresh()
