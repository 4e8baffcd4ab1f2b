"""What of a training goes into its TensorBoard file, so that whoever is used to TensorBoard finds it there.

The file lies in the training's workspace; ``tensorboard --logdir`` of the folder of all workspaces shows all runs.
Knows tags and how often; the format is ``tfevents``'s. A resumed training goes on in the same file. Bounded: a million
steps make some 20 MB of numbers, and no picture is added beyond ``MOST_BYTES``. TensorBoard itself draws a thousand
points of a curve, so nobody misses what is left out; every number is in the CSV of the page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from pipelines.pictures import png
from pipelines.training.checkpoints import unsaved
from pipelines.training.measure_names import MEASURES
from pipelines.training.meter import Readings
from pipelines.training.recipe_names import Series
from pipelines.training.tfevents import EventFile, picture, restart, scalars

FOLDER, NAME = "tensorboard", "events.out.tfevents.0000000000.atelier"  # readers look for "tfevents" in a name
WHOLE = 20_000  # steps of which each is written; of the next as many every other one, and so on
CLOSEST = 0.02  # seconds of training between two steps that are written: tiny networks make hundreds a second
PICTURE_SHARE = 0.025  # a grid is written once a training is so much longer than at the last one
MOST_BYTES = 100_000_000
_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


class TensorBoardLog:
    """The TensorBoard file of the training in ``workspace``."""

    def __init__(self, workspace: Path, series: tuple[Series, ...]) -> None:
        self._file = EventFile(workspace / FOLDER / NAME, time.time())
        self._tags = tuple(f"{one.chart}/{one.name}" for one in series)
        self._next_step = self._next_picture = 0.0

    def goes_on(self, step: int, seconds: float) -> None:
        """The training stands after ``step`` again: what was told of later steps is void."""
        self._append([restart(time.time(), step + 1)])
        self._next_step = self._next_picture = seconds

    def read(self, readings: Readings) -> None:
        """The values of the latest steps. Values that are no numbers are left out."""
        if not readings.steps:
            return
        began = time.time() - readings.seconds[-1]  # so that the points of one reading do not all lie at one instant
        rows = zip(readings.steps, readings.seconds, readings.values, strict=True)
        self._append(
            scalars(began + seconds, step, self._sound(values))
            for step, seconds, values in rows
            if self._is_due(step, seconds)
        )

    def measured(self, step: int, figures: Mapping[str, float]) -> None:
        """What samples were like after ``step``: few enough for each to be written."""
        if figures:
            self._append(
                [scalars(time.time(), step, {f"{MEASURES[name].chart}/{name}": figures[name] for name in figures})]
            )

    def _is_due(self, step: int, seconds: float) -> bool:
        due = step % _every(step) == 0 and seconds >= self._next_step
        if due:
            self._next_step = seconds + CLOSEST
        return due

    def _sound(self, values: tuple[float, ...]) -> dict[str, float]:
        return {tag: value for tag, value in zip(self._tags, values, strict=True) if value == value}

    def drawn(self, step: int, seconds: float, grid: Image.Image) -> None:
        """The sample grid after ``step``, where it is time for one."""
        if seconds < self._next_picture or self._file.size > MOST_BYTES:
            return
        self._next_picture = seconds * (1 + PICTURE_SHARE)
        channels = _CHANNELS[grid.mode]
        self._append([picture(time.time(), step, "samples", png(grid), grid.width, grid.height, channels)])

    def _append(self, events: Iterable[bytes]) -> None:
        try:
            self._file.append(events)
        except OSError as error:
            raise unsaved(error) from error

    def close(self) -> None:
        self._file.close()


def _every(step: int) -> int:
    """1 in the first ``WHOLE`` steps, then 2, from twice as many on 4, and so on."""
    return 1 << (step // WHOLE).bit_length()
