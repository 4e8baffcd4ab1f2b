"""One running studio for all API tests, with a tiny picture model the operator added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from benchmarks.servers import Server, server
from studio.models import main as models
from tests.unit.tiny_diffusers import stable_diffusion


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("studio")
    folder = tmp_path_factory.mktemp("models") / "tiny-sd"
    stable_diffusion(folder)
    assert models(["add", str(folder), "--name", "tiny-sd", "--task", "image", "--data", str(data)]) == 0
    with server(data, "--threads", "1", log=data / "log.txt") as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="session")
def data(studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(studio.process.args[studio.process.args.index("--data") + 1])  # type: ignore[union-attr, arg-type]


@pytest.fixture(scope="session")
def client(studio: Server) -> Iterator[Client]:
    opened = Client(studio.url, verbose=False)
    yield opened
    opened.close()
