"""The snapshots of a training: states a person may go back to or branch from, kept after its end.

Each is a checkpoint under another name, in a folder of its own: a hard link, so that keeping one costs neither time nor
room while the checkpoint is there. Thinned evenly in time and bounded in bytes. Knows names, times and sizes, and the
JSON in a file's header; imports no torch, so that the page can list them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.durable import sync_folder, write_durably

FOLDER = "snapshots"
MOST = 32  # as many as a person still tells apart
_NAME = re.compile(r"snapshot-(\d{9})-(\d{10})\.safetensors")


@dataclass(frozen=True)
class Snapshot:
    """The state after ``step`` updates in ``seconds`` of training.

    ``path`` is where it lies, or its name in the training's folder where that lies on other machines.
    """

    step: int
    seconds: float
    path: Path

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size


class Snapshots:
    """Those of the training in ``workspace``, of ``room`` bytes at most; 0 keeps none."""

    def __init__(self, workspace: Path, room: int = 0) -> None:
        self.folder = workspace / FOLDER
        self.room = room

    def listing(self) -> list[Snapshot]:
        """Oldest first."""
        return in_order(self.folder.glob("*"))

    def find(self, step: int) -> Snapshot | None:
        """The one after ``step`` updates; None where it was never kept, or has been thinned out."""
        return next((one for one in self.listing() if one.step == step), None)

    def keep(self, checkpoint: Path, step: int, seconds: float) -> None:
        """Keeps ``checkpoint``, in place of one of the same step, and thins what there is."""
        if not self.room:
            return
        self.folder.mkdir(exist_ok=True)
        for same in [one for one in self.listing() if one.step == step]:
            same.path.unlink()
        path = self.folder / f"snapshot-{step:09d}-{round(seconds * 1000):010d}.safetensors"
        _link(checkpoint, path)
        self._thin()

    def drop_after(self, step: int) -> None:
        """The training went back to ``step``: what came later never happened."""
        for one in self.listing():
            if one.step > step:
                one.path.unlink()

    def _thin(self) -> None:
        """Drops those least missed. The newest stays, and the first while there are two others."""
        kept = self.listing()
        sizes = {one.step: one.bytes for one in kept}
        while len(kept) > 1 and (len(kept) > MOST or sum(sizes.values()) > self.room):
            gone = kept.pop(least_missed([one.seconds for one in kept]))
            del sizes[gone.step]
            gone.path.unlink()


def in_order(paths: Iterable[Path]) -> list[Snapshot]:
    """The snapshots among ``paths``, oldest first."""
    found = [(match, path) for path in paths if (match := _NAME.fullmatch(path.name))]
    kept = (Snapshot(int(match[1]), int(match[2]) / 1000, path) for match, path in found)
    return sorted(kept, key=lambda one: one.step)


def least_missed(times: list[float]) -> int:
    """Which of the ascending ``times``, neither first nor last, leaves the smallest gap; of two the first."""
    if len(times) < 3:
        return 0
    return min(range(1, len(times) - 1), key=lambda at: times[at + 1] - times[at - 1])


def position_in(data: bytes) -> dict[str, Any]:
    """The position in the header that a checkpoint begins with, as plain values. Raises ``ValueError`` for others."""
    size = int.from_bytes(data[:8], "little")
    try:
        position = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["position"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no checkpoint: {error}") from error
    if not isinstance(position, dict):
        raise ValueError("no checkpoint: its position is no object")
    return position


def _link(checkpoint: Path, path: Path) -> None:
    """A second name for the file, or a copy of it on a disk that knows no second names."""
    try:
        os.link(checkpoint, path)
    except (OSError, NotImplementedError):
        write_durably(path, checkpoint.read_bytes())
    else:
        sync_folder(path.parent)
