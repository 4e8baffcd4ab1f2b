"""Out of memory on a device that counts: at load, at the first step, at decode; each is recovered, once."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from pipelines.base import Event, Pipeline, Report, Request, Token, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from studio.engine.memory import with_memory
from studio.engine.messages import Emitted, Message
from studio.engine.residency import Ledger, Wanted
from studio.engine.telling import Telling
from studio.store.workspaces import Workspace

CPU = Device("cpu", "CPU", "float32", "a test", 1000, 1)
MB = 1_000_000


class Counting:
    """A device of so many bytes. What is allocated on it is free again once nothing refers to it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self.most = 0

    def allocate(self, size: int) -> torch.Tensor:
        if self.used + size > self.total:
            raise torch.OutOfMemoryError(f"tried to allocate {size} of {self.total - self.used}")
        tensor = torch.zeros(1)
        self.used += size
        self.most = max(self.most, self.used)
        weakref.finalize(tensor, self._free, size)
        return tensor

    def _free(self, size: int) -> None:
        self.used -= size


class Hungry(Pipeline):
    """Takes so many bytes to load, at the first step and to decode, as its weights are called: ``60-0-0``."""

    shareable: ClassVar[bool] = True
    device: ClassVar[Counting]
    attempts: ClassVar[list[str]] = []

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        assert weights is not None
        self.attempts.append("load")
        self.sizes = [int(size) * MB for size in weights.name.split("-")]
        self.weights: torch.Tensor | None = self.device.allocate(self.sizes[0])

    def run(self, request: Request, turn: Turn) -> Iterator[Event]:
        for stage, size in zip(("step", "decode"), self.sizes[1:], strict=True):
            self.attempts.append(stage)
            kept = self.device.allocate(size)
            yield Token(stage, len(self.attempts), 1.0)
            del kept

    def unload(self) -> None:
        self.weights = None

    def bytes_held(self) -> int:
        return self.sizes[0] if self.weights is not None else 0


class Studio:
    """A ledger over a counting device, and what a person was told."""

    def __init__(self, tmp_path: Path, total: int = 100) -> None:
        Hungry.device, Hungry.attempts = Counting(total * MB), []
        self.ledger = Ledger(CPU, 1000 * MB)  # the ledger thinks there is room: the device knows better
        self.told: list[Message] = []
        self.telling = Telling("job", Workspace(tmp_path), self.told.append)

    def make(self, weights: str) -> str:
        def attempt() -> str:
            wanted = Wanted("text", weights, Hungry, Path(weights), 0, _silent, lambda event: event.wait() and None)
            with self.ledger.lend(wanted) as pipeline:
                for event in pipeline.run(Request(), None):  # type: ignore[arg-type]
                    self.telling.event(event)
            return "made"

        return with_memory(attempt, self.telling.again, self.ledger, weights)

    @property
    def words(self) -> str:
        return "".join(message.data["text"] for message in self.told if isinstance(message, Emitted))


def _silent(*_: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("weights", "attempts"),
    [
        ("60-1-1", ["load", "load", "step", "decode"]),
        ("20-60-1", ["load", "step", "load", "step", "decode"]),
        ("20-1-60", ["load", "step", "decode", "load", "step", "decode"]),
    ],
    ids=["at load", "at the first step", "at decode"],
)
def test_out_of_memory_is_recovered_by_what_is_idle(tmp_path: Path, weights: str, attempts: list[str]) -> None:
    studio = Studio(tmp_path)
    studio.make("50-0-0")
    studio.told.clear()
    studio.telling = Telling("job", Workspace(tmp_path), studio.told.append)
    Hungry.attempts.clear()
    assert studio.make(weights) == "made"
    assert Hungry.attempts == attempts, "tried once more, no oftener"
    assert [model for model, _ in studio.ledger.listing()] == [weights]
    assert Hungry.device.used == int(weights.split("-")[0]) * MB, "nothing of the failed attempt is left"
    assert studio.words == "stepdecode", "what was told of the first attempt is not told twice"


def test_a_model_in_use_is_never_taken_away_and_the_refusal_says_what_would_fit(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    held = Wanted("text", "50-0-0", Hungry, Path("50-0-0"), 0, _silent, lambda event: event.wait() and None)
    with studio.ledger.lend(held), pytest.raises(StudioError, match=r"ran out of memory .* smaller model than 60-1-1"):
        studio.make("60-1-1")
    assert Hungry.attempts == ["load", "load", "load"]
    assert Hungry.device.used == 50 * MB
    assert studio.make("60-1-1") == "made", "and works once the other has ended"


def test_another_error_is_not_tried_again(tmp_path: Path) -> None:
    studio, tries = Studio(tmp_path), []

    def attempt() -> None:
        tries.append(1)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        with_memory(attempt, lambda: None, studio.ledger, "")
    assert tries == [1]


def test_what_a_model_took_is_made_room_for_the_next_time(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.ledger.budget = 100 * MB
    studio.make("60-0-0")
    studio.make("70-0-0")  # nothing was known of it: it came beside the other, on a device that was full
    assert Hungry.attempts.count("load") == 3
    Hungry.attempts.clear()
    studio.make("60-0-0")
    assert Hungry.attempts == ["load", "step", "decode"], "by now it is known, so the other went before"
    assert Hungry.device.most <= 100 * MB
