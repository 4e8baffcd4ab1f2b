"""What a pipeline sees of the engine while it runs: its place at the device, its folder, the files its request names.

Knows the lease and the workspace. Does not know the job, its request or who asked.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from pipelines.base import Scalar, Turn
from studio.engine.turns import Hold, Lease
from studio.store.blobs import Blobs
from studio.store.workspaces import Workspace


class EngineTurn:
    """The ``Turn`` a pipeline gets: its place at the lease, its workspace and the files its request names."""

    def __init__(self, lease: Lease, hold: Hold, workspace: Workspace, blobs: Blobs, room: int) -> None:
        self._lease = lease
        self._hold = hold
        self._blobs = blobs
        self.saving = workspace
        self.workspace = workspace.folder
        self.room = room

    def begin(self) -> None:
        self._lease.take(self._hold)

    def end(self) -> None:
        """The device is not needed any more; what is left is writing files."""
        self._lease.leave(self._hold)

    def wait(self, event: threading.Event) -> None:
        """Waits for something another job does, without the device. Raises ``Cancelled``."""
        with self._lease.aside(self._hold):
            while not event.wait(0.1) and not self._hold.cancelled:
                pass

    @property
    def device_seconds(self) -> float:
        return self._lease.seconds(self._hold)

    @property
    def finishing(self) -> bool:
        return self._hold.finishing

    @property
    def called(self) -> bool:
        return self._hold.cancelled or self._hold.paused

    @property
    def interrupted(self) -> bool:
        return self._hold.interrupted

    def checkpoint(self) -> None:
        self._lease.checkpoint(self._hold)

    def saved(self) -> None:
        self.saving.saved()

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        return self._lease.changes(self._hold)

    def aside(self) -> AbstractContextManager[None]:
        return self._lease.aside(self._hold)

    def share(self, others: Sequence[Turn]) -> None:
        self._lease.share(self._hold, [other._hold for other in others if isinstance(other, EngineTurn)])

    def read(self, digest: str) -> bytes:
        return self._blobs.read(digest)
