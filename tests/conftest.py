"""What tests of several folders need: both databases, both kinds of storage, a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.storage import Storage
from studio.store.database import Database
from studio.store.storage import open_storage
from tests import object_store, postgres, ray_cluster
from tests.object_store import ObjectStore
from tests.postgres import PostgreSQL
from tests.ray_cluster import RayCluster


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server; skips, with a word, where there is none."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with postgres.running(programs) as server:
        yield server


@pytest.fixture(scope="module")
def one_gpu() -> Iterator[RayCluster]:
    """A Ray cluster of one machine with one virtual GPU; skips, with a word, where Ray is not installed."""
    pytest.importorskip("ray", reason="Ray is not installed")
    with ray_cluster.running() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def up_to_date(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations were run on once, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "studio.db"
    Database(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of one's own, with all tables and nothing in them, of each kind in turn."""
    return _fresh(request, tmp_path)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database at that address, open."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same for all tests of a module, which run on each kind in turn."""
    return _fresh(request, tmp_path_factory.mktemp("database"))


def _fresh(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("up_to_date"), folder / "studio.db")
        return f"sqlite:///{folder / 'studio.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.fresh()


@pytest.fixture(scope="session")
def object_stores() -> Iterator[ObjectStore]:
    """A server that answers as S3 does."""
    with object_store.running() as server:
        yield server


@pytest.fixture
def bucket(object_stores: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an object store with nothing in it, its keys in the environment."""
    for name, value in object_stores.environment.items():
        monkeypatch.setenv(name, value)
    return object_stores.fresh()


@pytest.fixture(params=["folder", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a storage of one's own, of each kind in turn."""
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    (tmp_path / "shared").mkdir()
    return str(tmp_path / "shared")


@pytest.fixture
def storage(address: str) -> Storage:
    """A storage with nothing in it, of each kind in turn."""
    found = open_storage(address, patience=1)
    assert found is not None
    return found
