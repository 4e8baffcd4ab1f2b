"""What a person asks of a training while it runs, done between two of its steps.

Knows the loop, where its states lie, and how each change is said. When it is asked, saved and told is ``session``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from pipelines.base import Mark, Scalar
from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training.checkpoints import BrokenCheckpoint, CheckpointFolder, Position, unpack
from pipelines.training.kinship import check_branch
from pipelines.training.loop import Loop
from pipelines.training.marks import mark
from pipelines.training.snapshots import Snapshots


class Helm:
    """``change`` does what ``TrainingRequest.steering`` let through. ``restore`` brings the training to a state."""

    def __init__(
        self, loop: Loop, snapshots: Snapshots, restore: Callable[[Position, dict[str, Tensor]], None]
    ) -> None:
        self._loop = loop
        self._snapshots = snapshots
        self._restore = restore

    def change(self, changes: Mapping[str, Scalar]) -> Iterator[Mark]:
        """Goes back first, where that is asked, then changes settings, then takes a step of one side alone."""
        lasting = dict(changes)
        side, step = lasting.pop("only", None), lasting.pop("rewind", None)
        if step is not None:
            yield self._rewind(int(step))
        yield from self._turn(lasting)
        if side is not None:
            self._loop.alone(str(side))
            if side == "g":
                yield mark(self._loop, "lone_g", "one step of G alone")
            else:
                yield mark(self._loop, "lone_d", "one step of D alone")

    def _turn(self, lasting: Mapping[str, Scalar]) -> Iterator[Mark]:
        before = self._loop.values
        self._loop.steer(lasting)
        yield from (self._turned(name, before[name], value) for name, value in lasting.items())

    def _turned(self, name: str, before: Scalar, value: Scalar) -> Mark:
        if value is True:
            return mark(self._loop, "switched_on", "{setting} on", setting=name)
        if value is False:
            return mark(self._loop, "switched_off", "{setting} off", setting=name)
        return mark(
            self._loop, "steered", "{setting} {old} → {new}", setting=name, old=_short(before), new=_short(value)
        )

    def _rewind(self, step: int) -> Mark:
        """To the snapshot after ``step``, its settings included; what came later never happened."""
        found, before = self._snapshots.find(step), self._loop.step
        if found is None:
            return mark(self._loop, "snapshot_gone", "the snapshot of step {step} is not there any more", step=step)
        try:
            state = CheckpointFolder(found.path.parent).load(found.path)
        except BrokenCheckpoint as broken:
            return mark(self._loop, "skipped", "{reason}", reason=str(broken))
        self._restore(*state)
        self._snapshots.drop_after(step)
        return mark(self._loop, "rewound", "rewound from step {before} to {step}", before=before, step=step)


def _short(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def begun(request: TrainingRequest, data: bytes) -> tuple[Position, dict[str, Tensor]]:
    """The state in the snapshot ``data`` for ``request`` to begin with, whose settings are those that count.

    Raises ``StudioError`` where the two do not fit: networks, data and recipe stay what they were.
    """
    try:
        position, tensors = unpack(data)
    except BrokenCheckpoint as broken:
        raise StudioError(
            "training.snapshot", "What this training was to begin with is no snapshot ({reason}).", reason=str(broken)
        ) from broken
    check_branch(request, position.request)
    return Position(position.step, position.seconds, position.request, position.rate, lone=position.lone), tensors
