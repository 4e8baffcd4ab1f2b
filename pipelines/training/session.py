"""One training from its first step, or from its last checkpoint, to its result.

Knows when to read losses, save, draw and go back; the steps themselves are ``Loop``'s. Losses are judged before a
checkpoint is written, so what is on the disk is always sound. A training that went back is not bitwise repeatable
(where it goes back to depends on the clock), nor one of limited time in which something warms up or fades over the
run; on a CPU every other one is, interruptions included. On a GPU torch does not promise the order of its sums.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipelines.base import Cancelled, Event, Progress, Result, Sample, Steered, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.pictures import webp
from pipelines.requests import TrainingRequest
from pipelines.training.checkpoints import CheckpointFolder, Position
from pipelines.training.compiling import BACKEND, worth_a_trial
from pipelines.training.compiling import trial as compile_trial
from pipelines.training.data import DataSet, own_data
from pipelines.training.event_log import TensorBoardLog
from pipelines.training.fit import Choice, trial
from pipelines.training.helping import Helpers
from pipelines.training.kinship import CHOSEN, difference
from pipelines.training.loop import Loop, is_sound
from pipelines.training.marks import mark
from pipelines.training.outcome import outcome
from pipelines.training.recipe_names import recipe_info
from pipelines.training.snapshots import Snapshots
from pipelines.training.steering import Helm, begun
from pipelines.training.watcher import Watcher, metrics

READ_EVERY = 0.5  # seconds on the wall: as often as the page is drawn
SAVE_EVERY = 3.5  # seconds of training; with the write itself at most five are lost to a kill
SAVE_SHARE = 0.1  # never more of the time than this for saving, even where a checkpoint is huge
DRAW_EVERY, DRAW_EARLY, EARLY = 2.5, 1.0, 5.0  # seconds of training: pictures change most at the beginning
DRAW_SHARE = 0.05
MAX_ROLLBACKS = 8


class Session:
    """State of one run. ``events`` may be called once."""

    def __init__(self, request: TrainingRequest, turn: Turn, device: Device) -> None:
        self.turn, self._device = turn, device
        self._folder = CheckpointFolder(turn.workspace)
        self._folder.sweep()
        self._snapshots = Snapshots(turn.workspace, turn.room)
        self._found, self._skipped = self._folder.newest()
        self.request = _with_seed(request, self._found[0] if self._found else None)
        data = own_data(self.request, turn.read, turn.checkpoint)
        self._fitted = self._fit(device, data)
        self._refuse_other()
        self.loop = Loop(self.request, device, data)
        self._watcher = Watcher(self.loop)
        self._helm = Helm(self.loop, self._snapshots, self._restore)
        self._helpers = Helpers(self.loop)
        own = recipe_info(request.recipe).limits
        self._limits = own + (math.inf,) * (len(self.loop.series) - len(own))
        self._names = tuple(series.name for series in self.loop.series)
        self._recent: deque[tuple[int, float]] = deque(maxlen=10)
        self._read_at = self._save_at = self._draw_at = 0.0
        self._returned_to: Path | None = None
        self._over = False

    def events(self) -> Iterator[Event]:
        """All events, the last a ``Result``."""
        with closing(TensorBoardLog(self.turn.workspace, self.loop.series)) as self._log:
            try:
                yield from self._told()
            except Cancelled:
                if self.turn.interrupted:
                    yield from self._leave()
                raise

    def _told(self) -> Iterator[Event]:
        yield from self._begin()
        yield from self._heed()
        while not self._over:
            self.loop.advance()
            last = self.loop.share >= 1 or self.turn.finishing
            yield from self._look(last)
            yield from self._helpers.told()
            self.turn.checkpoint()
            yield from self._heed()
        yield Progress("saving")
        yield Result(*outcome(self.loop))

    # ------------------------------------------------------------------------------------- beginning

    def _fit(self, device: Device, data: DataSet | None) -> Choice | None:
        """Lets the machine choose where that is asked; a resume goes on with what was chosen."""
        if not self.request.fit:
            return None
        settings: dict[str, Any] = {"fit": False}
        choice = None
        if self._found is not None:
            settings = {name: self._found[0].request[name] for name in CHOSEN}
        elif self.request.seconds and self.request.begin is None:
            choice = trial(self.request, device, data, self.turn.checkpoint)
            settings |= choice.settings
        self.request = self.request.model_copy(update=settings)
        return choice

    def _refuse_other(self) -> None:
        """Only budgets may change between a checkpoint and the request that goes on from it."""
        other = difference(self.request, self._found[0].request) if self._found else None
        if other is not None:
            raise StudioError(
                "training.other",
                "This training was begun with {setting} {old} and cannot go on with {new}; "
                "only its time and steps may change. Start a new one for that.",
                setting=other[0],
                old=str(other[1]),
                new=str(other[2]),
            )

    def _begin(self) -> Iterator[Event]:
        if self._found is not None:
            self._restore(*self._found)
            self._found = None
            yield from (mark(self.loop, "skipped", "{reason}", reason=reason) for reason in self._skipped)
            yield mark(self.loop, "resumed", "resumed at step {step}", step=self.loop.step)
            self._over = self.loop.share >= 1
        elif self.request.begin is not None:
            yield from self._branch(self.request.begin)
        else:
            yield from self._save()
        if (fitted := self._fitted) is not None:
            found = fitted.settings | {"rate": round(fitted.rate, 1)}
            yield mark(
                self.loop,
                "fitted",
                "width {width}, batch {batch}, averaging {averaging}, cooling {cooling} chosen: {rate} steps a second",
                **found,
            )
        yield from self._compile()
        yield Steered(self.loop.values)
        yield self._progress()
        yield self._draw()

    def _compile(self) -> Iterator[Event]:
        """Goes on with compiled networks where a trial finds that they pay; says so, and why not where they fail."""
        if not worth_a_trial(self.loop.request, self._device):
            return
        try:
            with self.turn.aside():  # the processor compiles: meanwhile others may have the device
                found = compile_trial(self.loop.request, self._device, self.loop.data)
        except Exception as error:  # noqa: BLE001 - a machine without a compiler trains as well, a little slower
            yield mark(self.loop, "uncompiled", "networks not compiled ({reason})", reason=str(error)[:120])
            return
        if found.pays:
            self.loop.recipe.compile(BACKEND)
            gain = round(found.written / found.compiled, 2)
            yield mark(self.loop, "compiled", "networks compiled: {gain} times the steps a second", gain=gain)

    def _branch(self, digest: str) -> Iterator[Event]:
        """From the snapshot of another training, with the settings of this one."""
        position, tensors = begun(self.request, self.turn.read(digest))
        self._restore(position, tensors)
        yield from self._save()
        yield mark(self.loop, "branched", "branched at step {step}", step=self.loop.step)
        self._over = self.loop.share >= 1

    def _restore(self, position: Position, tensors: dict[str, Tensor]) -> None:
        try:
            self.loop.restore(position, tensors)
            self._log.goes_on(self.loop.step, self.loop.seconds)
            self._recent.clear()
            self._watcher.went_back()
        except (KeyError, RuntimeError) as error:
            raise StudioError(
                "training.state",
                "The checkpoint of this training is of another version ({reason}). Start it anew.",
                reason=str(error)[:120],
            ) from error

    # --------------------------------------------------------------------------------- between steps

    def _look(self, last: bool) -> Iterator[Event]:
        """Whatever is due after a step; after the ``last`` one everything is."""
        now = self.loop.seconds
        save, draw = last or now >= self._save_at, last or now >= self._draw_at
        if not (save or draw or self.loop.must_read or time.monotonic() >= self._read_at):
            return
        returns = self.loop.rollbacks
        yield from self._read()
        if save and self.loop.rollbacks == returns:
            yield from self._save()
        if draw and self.loop.rollbacks == returns:
            yield self._draw()
        self._over = last and (self.loop.rollbacks == returns or self.turn.finishing)

    def _read(self) -> Iterator[Event]:
        readings = self.loop.read()
        self._read_at = time.monotonic() + READ_EVERY
        bad = readings.spike(self._limits)
        if bad is not None:
            yield from self._go_back(bad)
            return
        self._log.read(readings)
        self._recent.append((self.loop.step, self.loop.seconds))
        self._watcher.take(readings)
        last = self.loop.share >= 1 or self.turn.finishing
        figures = self._watcher.measure(last, self.turn.checkpoint)
        self._log.measured(self.loop.step, figures)
        rate = self._rate()
        yield from metrics(readings, self._names, figures, rate, self.loop.left(rate))
        yield self._progress()
        yield from self._watcher.judge(last)

    def _rate(self) -> float:
        """Steps per second over the last few readings."""
        (step0, seconds0), (step1, seconds1) = self._recent[0], self._recent[-1]
        if step1 == step0:
            return self.loop.step / self.loop.seconds
        return (step1 - step0) / (seconds1 - seconds0)

    def _progress(self) -> Progress:
        """In seconds or steps, whichever budget is further used."""
        request, loop = self.request, self.loop
        by_time = request.seconds > 0 and loop.share == min(1.0, loop.seconds / request.seconds)
        if by_time:
            return Progress("training", min(loop.seconds, request.seconds), request.seconds, "second")
        return Progress("training", loop.step, request.steps, "step")

    def _draw(self) -> Sample:
        began = time.perf_counter()
        shown = self.loop.show()
        held = time.perf_counter() - began
        with self.turn.aside():
            sheet = shown.drawn()
            picture = webp(sheet)
            self._log.drawn(self.loop.step, self.loop.seconds, sheet)
        pause = DRAW_EARLY if self.loop.seconds < EARLY else DRAW_EVERY
        self._draw_at = self.loop.seconds + max(pause, held / DRAW_SHARE)
        return Sample(self.loop.step, picture)

    def _save(self) -> Iterator[Event]:
        position, tensors = self.loop.state()
        if not is_sound(tensors):
            yield from self._go_back(self.loop.step)
            return
        began = time.perf_counter()
        with self.turn.aside():
            path = self._folder.save(position, tensors)
            self._snapshots.keep(path, position.step, position.seconds)
            self.turn.saved()
        self._save_at = self.loop.seconds + max(SAVE_EVERY, (time.perf_counter() - began) / SAVE_SHARE)

    def _leave(self) -> Iterator[Event]:
        """Tells and saves what the last checkpoint does not have, as this may go on later; nothing that is unsound."""
        readings = self.loop.read()
        position, tensors = self.loop.state()
        if readings.spike(self._limits) is not None or not is_sound(tensors):
            return
        if readings.steps:
            self._log.read(readings)
            self._recent.append((self.loop.step, self.loop.seconds))
            yield from metrics(readings, self._names, {}, self._rate(), None)
        self._folder.save(position, tensors)
        self.turn.saved()

    def _heed(self) -> Iterator[Event]:
        """Does what a person asked for since the last step, and saves it before saying so."""
        while asked := self.turn.steering():
            if self.loop.unread:
                yield from self._read()
            told = [one for changes in asked for one in self._helm.change(changes)]
            yield from self._save()
            yield from told
            yield Steered(self.loop.values)
            yield self._draw()
            self._over = self._over and (self.loop.share >= 1 or self.turn.finishing)
            self.turn.checkpoint()  # a paused training rests on here

    # --------------------------------------------------------------------------------- going back

    def _go_back(self, bad: int) -> Iterator[Event]:
        """To the last checkpoint, or the one before where that has just failed, at half the learning rate."""
        rollbacks, rate = self.loop.rollbacks + 1, self.loop.rate / 2
        if rollbacks > MAX_ROLLBACKS:
            raise StudioError(
                "training.diverged",
                "The training diverged again at step {step}, after {count} returns with a smaller learning rate each. "
                "Start anew with a learning rate below {rate}.",
                step=bad,
                count=MAX_ROLLBACKS,
                rate=f"{self.request.learning_rate:g}",
            )
        found, steered = self._last_good(), self.loop.steered
        self._restore(*found)
        self.loop.steer(steered)  # what a person wants is not undone
        self._snapshots.drop_after(self.loop.step)
        self._returned_to = self._folder.path(self.loop.step)
        self.loop.slow_down(rate, rollbacks)
        yield mark(
            self.loop,
            "diverged",
            "diverged at step {bad}: back to {step}, learning rate halved",
            bad=bad,
            step=self.loop.step,
        )
        yield Steered(self.loop.values)
        yield from self._save()  # so that a restart does not return to the rate that failed

    def _last_good(self) -> tuple[Position, dict[str, Tensor]]:
        newest, *older = self._folder.paths()
        if older and newest == self._returned_to:
            newest.unlink()
        found, _ = self._folder.newest()
        if found is None:
            raise ValueError("a training cannot go back before its beginning")
        return found


def _with_seed(request: TrainingRequest, position: Position | None) -> TrainingRequest:
    """A seed of -1 becomes the checkpoint's, or a fresh one."""
    if request.seed >= 0:
        return request
    seed = position.request["seed"] if position else secrets.randbelow(2**32)
    return request.model_copy(update={"seed": seed})


def bytes_of(session: Session) -> int:
    """Bytes of everything the session keeps on the device."""
    tensors = [*session.loop.recipe.state().values(), session.loop.data.images, session.loop.data.labels]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if isinstance(tensor, torch.Tensor))
