"""Looks after a training: measures samples of it every few seconds, and says what is going on.

Knows when that is due, within a share of the time, and how findings are told so that they do not flicker; what is
measured is ``reference``'s, what is found ``diagnosis``'s. It draws from a random generator of its own and changes
nothing that a step depends on, so that a training ends the same whether it is watched or not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from statistics import median

import torch

from pipelines.base import Diagnosis, Mark, Metrics
from pipelines.training.augment import is_on
from pipelines.training.data import floats, to_bytes
from pipelines.training.diagnosis import CONDITIONS, Finding, all_well, begun, changed, findings, once_each
from pipelines.training.finding_names import FINDINGS, FOUND
from pipelines.training.judge import FEATURES
from pipelines.training.loop import Loop
from pipelines.training.meter import Readings
from pipelines.training.recipe_names import recipe_info
from pipelines.training.reference import BATCH, REFERENCES, Reference
from pipelines.training.signals import WINDOW, Measured, Signals

MEASURE_EVERY, MEASURE_FIRST = 3.0, 1.0  # seconds of training
MEASURE_STEPS = 20  # before these there is nothing to see
MEASURE_SHARE = 0.02  # of the time, at most
JUDGE_EVERY, JUDGE_STEPS = 1.0, 10  # at least so many seconds and steps between two looks
BEGINS, ENDS = 2, 3  # looks in a row after which a finding is there, or gone
TELL_EVERY = 5.0  # seconds between two values of the same findings
KEPT = 400  # measurements
#: the steps after which a gradient is as large as is usual
SETTLED = 20


class Watcher:
    """Looks after ``loop``. Give it every reading; ask it for what is due."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._names = tuple(series.name for series in loop.series)
        self._recent: deque[tuple[float, ...]] = deque(maxlen=WINDOW)
        self._usual: dict[str, float] = {}
        self._measured: deque[Measured] = deque(maxlen=KEPT)
        self._measure_at = MEASURE_FIRST
        self._judge_at, self._judge_from = 0.0, 0
        self._returns, self._returned = loop.rollbacks, 0
        self._streaks: dict[str, int] = {}
        self._there: frozenset[str] = frozenset()
        self._told: tuple[Finding, ...] | None = None
        self._told_at = 0.0

    # ------------------------------------------------------------------------------------ measuring

    def measure(self, last: bool, checkpoint: Callable[[], None]) -> Mapping[str, float]:
        """Figures of samples as the averaged generator makes them now, where it is time for some; else none.

        ``last``: there will be no other chance. Calls ``checkpoint`` between batches, so that nobody waits long.
        """
        now = self._loop.seconds
        if self._loop.step < MEASURE_STEPS or now < (MEASURE_FIRST if last else self._measure_at):
            return {}
        if self._measured and self._measured[-1].step == self._loop.step:
            return {}
        stopwatch = _Stopwatch(checkpoint)
        figures = self._figures(stopwatch)
        self._measure_at = now + max(MEASURE_EVERY, stopwatch.seconds / MEASURE_SHARE)
        self._measured.append(Measured(self._loop.step, figures))
        return figures

    def _figures(self, stopwatch: _Stopwatch) -> dict[str, float]:
        reference = REFERENCES.of(self._loop.data, stopwatch.pause)  # the first one takes a moment, once
        stopwatch.begin()
        features = torch.cat(list(self._features(reference, stopwatch.pause)))
        figures = reference.measure(features)
        stopwatch.stop()
        return figures

    @torch.no_grad()
    def _features(self, reference: Reference, pause: Callable[[], None]) -> Iterator[torch.Tensor]:
        """Of the same noise each time, and of classes as common as they are among the real pictures."""
        recipe, data = self._loop.recipe, self._loop.data
        noise = recipe.randomness.noise("measure", 0, reference.count, recipe.shape.latent)
        rows = torch.arange(reference.count, device=data.labels.device) * len(data) // reference.count
        labels = data.labels[rows] if recipe.shape.classes else None
        for first in range(0, reference.count, BATCH):
            some = slice(first, first + BATCH)
            made = recipe.generator[1](noise[some], None if labels is None else labels[some]).float()
            # in 256 greys, as real pictures are; points are not rounded
            yield reference.look(made if data.size == 1 else floats(to_bytes(made)))
            pause()

    # -------------------------------------------------------------------------------------- judging

    def take(self, readings: Readings) -> None:
        """Adds the latest steps."""
        self._recent.extend(readings.values)
        if len(self._usual) < len(self._names) and self._loop.step >= SETTLED + WINDOW and len(self._recent) == WINDOW:
            columns = zip(*self._recent, strict=True)
            self._usual = {name: median(column) for name, column in zip(self._names, columns, strict=True)}

    def judge(self, last: bool) -> Iterator[Mark | Diagnosis]:
        """What is going on, where that has changed; a mark for every warning that begins."""
        loop = self._loop
        if not last and (loop.seconds < self._judge_at or loop.step - self._judge_from < JUDGE_STEPS):
            return
        self._judge_at, self._judge_from = loop.seconds + JUDGE_EVERY, loop.step
        signals = self._signals()
        found = self._settled(signals)
        before = self._told
        if before is not None and not changed(before, found):
            return
        same = before is not None and [one.key for one in before] == [one.key for one in found]
        if same and not last and loop.seconds < self._told_at + TELL_EVERY:
            return
        self._told, self._told_at = found, loop.seconds
        for one in begun(before or (), found):
            yield Mark(loop.step, loop.seconds, FINDINGS[one.key].title, f"{FOUND}{one.key}")
        yield Diagnosis(loop.step, loop.seconds, tuple(one.plain() for one in found))

    def _settled(self, signals: Signals) -> tuple[Finding, ...]:
        """What was found in several looks in a row; what was there stays until it was missed in several."""
        found = {one.key: one for one in findings(signals, self._there)}
        for key in {*self._streaks, *found}:
            streak = self._streaks.get(key, 0)
            wanted = key in found
            self._streaks[key] = (max(streak, 0) + 1) if wanted else (min(streak, 0) - 1)
        there = {key for key, streak in self._streaks.items() if streak >= BEGINS}
        there |= {key for key in self._there if self._streaks[key] > -ENDS}
        self._there = frozenset(there)
        kept = {one.key: one for one in self._told or ()}
        told = [found.get(key) or kept.get(key) for key in CONDITIONS if key in there]
        settled = once_each(one for one in told if one is not None)
        if not settled and found and self._told and self._told[0].severity != "warning":
            return self._told  # something is about to be said: meanwhile nothing is praised anew
        return settled or (all_well(signals),)

    def _signals(self) -> Signals:
        loop = self._loop
        info, plane = recipe_info(loop.request.recipe), loop.data.size == 1
        if loop.rollbacks > self._returns:
            self._returned = loop.step
        self._returns = loop.rollbacks
        columns = zip(*self._recent, strict=True)
        recent = dict(zip(self._names, columns, strict=True)) if self._recent else dict.fromkeys(self._names, ())
        return Signals(
            step=loop.step,
            share=loop.share,
            recent=recent,
            measured=tuple(self._measured),
            settings=loop.values,
            usual=self._usual,
            returns=self._returns,
            returned=self._returned,
            rate=loop.rate,
            classes=len(loop.data.classes),
            units=loop.recipe.shape.latent,
            features=2 if plane else FEATURES,
            augmented=plane or is_on(loop.settings.augment, len(loop.data), plane),
            scored=info.name != "wgan-gp",
        )

    def went_back(self) -> None:
        """The training stands where it stood before: what was seen later says nothing of it."""
        step = self._loop.step
        self._recent.clear()
        self._measured = deque((one for one in self._measured if one.step <= step), maxlen=KEPT)
        self._judge_at = self._measure_at = 0.0
        self._judge_from = step


def metrics(
    readings: Readings, names: tuple[str, ...], figures: Mapping[str, float], rate: float, left: float | None
) -> Iterator[Metrics]:
    """``readings`` as told; with ``figures``, the last of them in an event of its own that carries those too."""
    if not figures:
        yield Metrics(readings.steps, readings.seconds, readings.series(names), rate, left)
        return
    *before, last = zip(readings.steps, readings.seconds, readings.values, strict=True)
    if before:
        earlier = Readings(*zip(*before, strict=True))
        yield Metrics(earlier.steps, earlier.seconds, earlier.series(names), rate, left)
    step, seconds, values = last
    series = dict(zip(names, values, strict=True)) | dict(figures)
    yield Metrics((step,), (seconds,), {name: (value,) for name, value in series.items()}, rate, left)


class _Stopwatch:
    """Seconds between ``begin`` and ``stop``, less those that others had the device in ``pause``."""

    def __init__(self, checkpoint: Callable[[], None]) -> None:
        self._checkpoint = checkpoint
        self.seconds = 0.0
        self._since = time.perf_counter()

    def begin(self) -> None:
        self.seconds, self._since = 0.0, time.perf_counter()

    def stop(self) -> None:
        self.seconds += time.perf_counter() - self._since

    def pause(self) -> None:
        self.stop()
        self._checkpoint()
        self._since = time.perf_counter()
