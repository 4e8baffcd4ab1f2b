"""A studio served as a person starts it, with nothing made yet and two tiny picture models that the operator added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.servers import Server, server
from studio.models import main as models
from tests.stickers import tiny_stickers
from tests.unit.tiny_diffusers import stable_diffusion


@contextmanager
def served(folders: pytest.TempPathFactory) -> Iterator[Server]:
    """On a data folder of its own, which also gets the log; ready to work."""
    data = folders.mktemp("studio")
    root = folders.mktemp("models")
    for folder in (stable_diffusion(root / "tiny-sd"), tiny_stickers(root / "tiny-stickers")):
        assert models(["add", str(folder), "--task", "image", "--data", str(data)]) == 0
    with server(data, "--threads", "1", log=data / "log.txt") as running:
        running.wait_ready()
        yield running
