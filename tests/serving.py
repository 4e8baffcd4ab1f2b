"""A studio served as a person starts it, with nothing made yet and a tiny picture model that the operator added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.servers import Server, server
from studio.models import main as models
from tests.unit.tiny_diffusers import stable_diffusion


@contextmanager
def served(folders: pytest.TempPathFactory) -> Iterator[Server]:
    """On a data folder of its own, which also gets the log; ready to work."""
    data = folders.mktemp("studio")
    folder = folders.mktemp("models") / "tiny-sd"
    stable_diffusion(folder)
    assert models(["add", str(folder), "--name", "tiny-sd", "--task", "image", "--data", str(data)]) == 0
    with server(data, "--threads", "1", log=data / "log.txt") as running:
        running.wait_ready()
        yield running
