"""A training's state in its workspace, so that a kill at any instant leaves one that loads.

Each checkpoint is one safetensors file: tensors, and the position (step, seconds, request) as JSON in its header. It is
written beside, fsynced, renamed, and the folder fsynced; only then is the oldest deleted, so two are there from the
second on. Knows nothing of what the tensors mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipelines.durable import sweep, write_durably
from pipelines.errors import StudioError
from pipelines.training.snapshots import position_in

FORMAT = "atelier-checkpoint/1"
KEPT = 2


@dataclass(frozen=True)
class Position:
    """Where a training was: ``step`` updates done in ``seconds`` of training, at ``rate`` times the learning rate.

    ``request`` is the request as plain values, ``steered`` what a person has changed of it since; ``rollbacks`` counts
    how often the training went back, ``lone`` the updates of one side alone that were asked for; ``balance`` is what
    the balance helpers remember.
    """

    step: int
    seconds: float
    request: dict[str, Any]
    rate: float = 1.0
    rollbacks: int = 0
    steered: dict[str, Any] = field(default_factory=dict)
    lone: int = 0
    balance: dict[str, Any] = field(default_factory=dict)


class BrokenCheckpoint(Exception):  # noqa: N818 - says what it is
    """A file that is named like a checkpoint and is not one."""


class CheckpointFolder:
    """The checkpoints in ``folder``. One training writes to a folder at a time; the engine sees to that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("checkpoint-*.safetensors"), reverse=True)

    def path(self, step: int) -> Path:
        """Where the checkpoint after ``step`` updates lies, or would."""
        return self.folder / f"checkpoint-{step:09d}.safetensors"

    def sweep(self) -> None:
        """Deletes what a kill left half written."""
        sweep(self.folder)

    def save(self, position: Position, tensors: Mapping[str, Tensor]) -> Path:
        """Writes one durably, replacing one of the same step, and keeps the last two. Tensors must be on the CPU.

        Those of later steps go: the training went back, and they never happened.
        """
        header = {"format": FORMAT, "position": json.dumps(asdict(position))}
        data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}, header)
        path = self.path(position.step)
        _write(path, data)
        paths = self.paths()
        for gone in (*paths[: paths.index(path)], *paths[paths.index(path) + KEPT :]):
            gone.unlink()
        return path

    def load(self, path: Path) -> tuple[Position, dict[str, Tensor]]:
        """Position and tensors. Raises ``BrokenCheckpoint`` with the reason."""
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                if header.get("format") != FORMAT:
                    raise BrokenCheckpoint(f"{path.name} has the format {header.get('format')}, not {FORMAT}")
                position = Position(**json.loads(header["position"]))
                return position, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise BrokenCheckpoint(f"{path.name} does not load: {error}") from error

    def newest(self) -> tuple[tuple[Position, dict[str, Tensor]] | None, list[str]]:
        """The newest checkpoint that loads, and why newer ones did not. Raises ``StudioError`` where none does."""
        skipped: list[str] = []
        for path in self.paths():
            try:
                return self.load(path), skipped
            except BrokenCheckpoint as broken:
                skipped.append(str(broken))
        if skipped:
            raise StudioError(
                "training.checkpoint",
                "None of this training's checkpoints can be read ({reason}). Start it anew.",
                reason=skipped[0],
            )
        return None, skipped


def unpack(data: bytes) -> tuple[Position, dict[str, Tensor]]:
    """Position and tensors of a checkpoint's bytes. Raises ``BrokenCheckpoint`` with the reason."""
    try:
        return Position(**position_in(data)), safetensors.torch.load(data)
    except (SafetensorError, TypeError, ValueError) as error:
        raise BrokenCheckpoint(f"it does not load: {error}") from error


def _write(path: Path, data: bytes) -> None:
    """Durably. Raises ``StudioError`` where the disk takes no more; what was there before stays."""
    try:
        write_durably(path, data)
    except OSError as error:
        raise unsaved(error) from error


def unsaved(error: OSError) -> StudioError:
    """What a person is told where the disk does not take what a training writes."""
    return StudioError(
        "training.disk",
        "The training could not save its state ({reason}). Make room on the disk and resume; "
        "it goes on from its last checkpoint.",
        reason=error.strerror or type(error).__name__,
    )
