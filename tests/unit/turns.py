"""A turn for tests of single pipelines: nobody else is there, and cancels come after a set number of checkpoints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.base import Cancelled, Scalar, Turn


class FreeTurn:
    """The ``Turn`` protocol with the device always free. Where ``interrupted`` is set, cancels are interrupts."""

    interrupted = False

    def __init__(
        self,
        workspace: Path,
        files: Mapping[str, bytes] | None = None,
        cancel_after: int | None = None,
        finish_after: int | None = None,
        room: int = 0,
    ) -> None:
        self.workspace = workspace
        self.files = dict(files or {})
        self.cancel_after = cancel_after
        self.finish_after = finish_after
        self.room = room
        self.checkpoints = 0
        self._began = time.monotonic()

    @property
    def device_seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def finishing(self) -> bool:
        return self.finish_after is not None and self.checkpoints >= self.finish_after

    @property
    def called(self) -> bool:
        """Asked before each checkpoint: what the next one will say."""
        return self.cancel_after is not None and self.checkpoints + 1 >= self.cancel_after

    def checkpoint(self) -> None:
        self.checkpoints += 1
        if self.cancel_after is not None and self.checkpoints >= self.cancel_after:
            raise Cancelled

    def saved(self) -> None:
        pass

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        return ()

    @contextmanager
    def aside(self) -> Iterator[None]:
        yield

    def share(self, others: Sequence[Turn]) -> None:
        pass

    def end(self) -> None:
        pass

    def read(self, digest: str) -> bytes:
        return self.files[digest]
