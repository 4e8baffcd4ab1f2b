"""A turn for tests of single pipelines: nobody else is there, and cancels come after a set number of checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.alone import AloneTurn
from pipelines.base import Cancelled


class FreeTurn(AloneTurn):
    """The ``Turn`` protocol with the device always free. Where ``interrupted`` is set, cancels are interrupts."""

    def __init__(
        self,
        workspace: Path,
        files: Mapping[str, bytes] | None = None,
        cancel_after: int | None = None,
        finish_after: int | None = None,
        room: int = 0,
    ) -> None:
        super().__init__(workspace, files, room)
        self.cancel_after = cancel_after
        self.finish_after = finish_after
        self.checkpoints = 0

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
