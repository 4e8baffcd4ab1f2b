"""One running studio for all API tests, with a tiny picture model the operator added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from benchmarks.servers import Server
from tests.serving import served


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="package")
def data(studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(studio.process.args[studio.process.args.index("--data") + 1])  # type: ignore[union-attr, arg-type]


@pytest.fixture(scope="package")
def client(studio: Server) -> Iterator[Client]:
    opened = Client(studio.url, verbose=False)
    yield opened
    opened.close()
