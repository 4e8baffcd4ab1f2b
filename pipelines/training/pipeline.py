"""Training as a pipeline: what the engine loads, runs and unloads. The work is in ``session`` and below."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.base import Event, Pipeline, Report, Turn
from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.session import Session, bytes_of


class TrainingPipeline(Pipeline):
    """Trains what the request names. Loads no weights: a training begins with its own."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._session: Session | None = None

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Remembers ``device``; nothing takes memory before a request says what shape it has."""
        if weights is not None:
            raise ValueError(f"training begins without weights, and was given {weights}")
        report("loading", 1, 1)
        self._device = device

    def run(self, request: TrainingRequest, turn: Turn) -> Iterator[Event]:
        """``Progress``, ``Metrics`` three times a second, ``Sample`` grids, ``Mark``, and a ``Result`` at the end.

        Goes on from the checkpoint in ``turn.workspace`` where there is one. Raises ``StudioError`` for a checkpoint of
        other settings, a full disk, or a training that diverges again and again.
        """
        if self._device is None:
            raise RuntimeError("run before load")
        self._session = Session(request, turn, self._device)
        try:
            yield from self._session.events()
        finally:
            self._session = None  # the tensors of a finished or cancelled training leave at once

    def unload(self) -> None:
        self._device = self._session = None

    def bytes_held(self) -> int:
        return bytes_of(self._session) if self._session else 0
