"""A turn on the device for whoever has it alone: a command line, a benchmark, a test of one pipeline."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.base import Scalar, Turn


class AloneTurn:
    """A ``Turn`` with nobody else there. ``files`` are what a request may name, by their sha256; ``room`` in bytes."""

    interrupted = False

    def __init__(self, workspace: Path, files: Mapping[str, bytes] | None = None, room: int = 0) -> None:
        self.workspace = workspace
        self.room = room
        self.files = dict(files or {})
        self._began = time.monotonic()

    @property
    def device_seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def finishing(self) -> bool:
        return False

    @property
    def called(self) -> bool:
        return False

    def checkpoint(self) -> None:
        """Nobody waits and nobody cancels."""

    def saved(self) -> None:
        """There is no other machine."""

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        """Nobody steers."""
        return ()

    @contextmanager
    def aside(self) -> Iterator[None]:
        yield

    def share(self, others: Sequence[Turn]) -> None:
        """Nobody counts the seconds."""

    def end(self) -> None:
        """Nobody waits for the device."""

    def read(self, digest: str) -> bytes:
        return self.files[digest]
