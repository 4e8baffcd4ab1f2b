"""The curves of a training, put together from its numbered events: one row a step, one column a series, and the marks.

Knows events and numbers. Rows of a long training are thinned for the page; whoever wants each gets each.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.engine.job import Numbered

Rows = npt.NDArray[np.intp]

#: the mark of a training that a person sent back: later rows are void at once, whenever it goes on
REWOUND = "rewound"


class History:
    """What the events that were taken so far say. ``last`` is the number of the newest of them, or of one before them.

    ``begins`` is the lowest step that any of them begins with: whoever adds these rows to earlier ones drops those of
    this step and later first, as a training that went back said them anew. None where there are no rows.
    """

    def __init__(self, events: Iterable[Numbered] = (), last: int = 0) -> None:
        self.last = last
        self.begins: int | None = None
        self.steps = array("q")
        self.seconds = array("d")
        self.series: dict[str, array[float]] = {}
        #: data of every mark, those on steps that were gone back over too: they happened
        self.marks: list[Mapping[str, Any]] = []
        for event in events:
            self.take(event)

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, event: Numbered) -> None:
        """Adds one event; kinds that say nothing about curves are left alone."""
        self.last = event.seq
        if event.kind == "metrics" and event.data["steps"]:
            self._add(event.data)
        elif event.kind == "mark":
            self.marks.append(event.data)
            if event.data.get("key") == REWOUND:
                self._begin_at(event.data["step"] + 1)

    def _add(self, data: Mapping[str, Any]) -> None:
        steps = data["steps"]
        self._begin_at(steps[0])
        before = len(self)
        self.steps.extend(steps)
        self.seconds.extend(data["seconds"])
        for name in data["series"]:
            self.series.setdefault(name, array("d", [math.nan]) * before)
        for name, column in self.series.items():
            said = data["series"].get(name, [None] * len(steps))
            column.extend(math.nan if value is None else value for value in said)  # JSON has no number that is none

    def _begin_at(self, step: int) -> None:
        """Drops the rows of ``step`` and later, which are void."""
        self.begins = step if self.begins is None else min(self.begins, step)
        kept = bisect_left(self.steps, step)
        del self.steps[kept:]
        for column in (self.seconds, *self.series.values()):
            del column[kept:]

    def thinned(self, limit: int) -> Rows:
        """Which rows to draw, about ``limit`` at most: the first, the last, and of every stretch each series' extremes.

        All of them where there are no more than ``limit``. Values that are no numbers are nobody's extreme.
        """
        count, width = len(self), max(1, len(self.series))
        if count <= limit:
            return np.arange(count)
        stretch = -(-count // max(1, limit // (2 * width)))
        values = np.full((width, -(-count // stretch) * stretch), np.nan)
        for row, column in zip(values, self.series.values(), strict=False):
            row[:count] = column
        parts = values.reshape(width, -1, stretch)
        low = np.where(np.isfinite(parts), parts, np.inf).argmin(axis=2)
        high = np.where(np.isfinite(parts), parts, -np.inf).argmax(axis=2)
        starts = np.arange(parts.shape[1]) * stretch
        found: Rows = np.unique(np.concatenate([(low + starts).ravel(), (high + starts).ravel(), [0, count - 1]]))
        return found[found < count]


@dataclass(frozen=True)
class SampleGrid:
    """A sample grid as it lies in the job's folder: the ``file`` after ``step`` updates in ``seconds`` of training."""

    step: int
    seconds: float
    file: str


def samples_of(events: Iterable[Numbered]) -> list[SampleGrid]:
    """A training's sample grids from first to last, without those that it went back over."""
    found: list[SampleGrid] = []
    seconds = 0.0
    for event in events:
        if event.kind == "metrics" and event.data["steps"]:
            found = [one for one in found if one.step < event.data["steps"][0]]
            seconds = event.data["seconds"][-1]
        elif event.kind == "mark" and event.data.get("key") == REWOUND:
            found = [one for one in found if one.step <= event.data["step"]]
            seconds = event.data["seconds"]
        elif event.kind == "sample":
            found = [one for one in found if one.step < event.data["step"]]
            found.append(SampleGrid(event.data["step"], seconds, event.data["picture"]["file"]))
    return found
