"""Tiny trainings for the tests: real networks of width 4 on real digits, a few milliseconds a step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from pipelines.base import Event, Result
from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.checkpoints import CheckpointFolder
from pipelines.training.pipeline import TrainingPipeline
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "tests ask for it", 0, 1)


def tiny(**settings: Any) -> TrainingRequest:
    """A request that ends after 12 steps."""
    small = {"dataset": "mnist", "width": 4, "batch": 8, "latent": 4, "steps": 12, "seconds": 0, "seed": 7}
    return TrainingRequest.parse({**small, **settings})


def pipeline(device: Device = CPU) -> TrainingPipeline:
    made = TrainingPipeline()
    made.load(None, device, lambda *_: None)
    return made


def train(request: TrainingRequest, turn: FreeTurn, device: Device = CPU) -> list[Event]:
    """All events of one run."""
    return list(pipeline(device).run(request, turn))


def result(events: list[Event]) -> Result:
    last = events[-1]
    assert isinstance(last, Result)
    return last


def generator(events: list[Event]) -> bytes:
    """The safetensors file of the result."""
    return next(item.data for item in result(events).artifacts if item.name.endswith(".safetensors"))


def weights(events: list[Event]) -> dict[str, Tensor]:
    return safetensors.torch.load(generator(events))


def state(workspace: Path) -> dict[str, Tensor]:
    """Everything in the newest checkpoint: weights, averages, moments."""
    folder = CheckpointFolder(workspace)
    return folder.load(folder.paths()[0])[1]


class SlowTurn(FreeTurn):
    """Somebody else takes ``pause`` seconds at every checkpoint and whenever the device is lent."""

    def __init__(self, workspace: Path, pause: float) -> None:
        super().__init__(workspace)
        self.pause = pause

    def checkpoint(self) -> None:
        time.sleep(self.pause)
        super().checkpoint()

    @contextmanager
    def aside(self) -> Iterator[None]:
        time.sleep(self.pause)
        yield
