"""One training of the sticker model on a person's pictures, from its first step or its last checkpoint to its result.

Knows when to read the loss, save, draw and go back; a step is the trainer's. The loss is judged before a checkpoint is
written, so what is on the disk is always sound. With a number of steps for its end a training is bitwise repeatable on
a CPU, interruptions included; with a time for its end the learning rate falls by the clock, which never repeats.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from pipelines.base import Cancelled, Event, Mark, Metrics, Progress, Result, Sample, Scalar, Turn
from pipelines.errors import StudioError
from pipelines.pictures import webp
from pipelines.sticker.own_result import Board
from pipelines.sticker.trainer import Trainer
from pipelines.training.checkpoints import Position

SERIES = ("loss", "trend", "speed")
READ_EVERY = 0.5  # seconds on the wall; a step takes a tenth of one
#: a checkpoint has a few hundred megabytes: a kill costs at most half a minute, or ten times what writing one takes
SAVE_EVERY, SAVE_SHARE = 25.0, 0.1
DRAW_EVERY, DRAW_SHARE = 6.0, 0.1
COOL = 0.25  # of the budget, in which the learning rate falls
TREND = 30.0  # steps over which the loss is smoothed
LIMIT = 20.0  # a loss beyond is none, nor one ten times that of the beginning: a network that knows nothing has 2
MAX_ROLLBACKS = 6


class Asked(Protocol):
    """What a session looks at of its request."""

    @property
    def seconds(self) -> float: ...

    @property
    def steps(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...


class OwnSession:
    """State of one run. ``events`` may be called once. A step is ``parts`` batches of the trainer's stage."""

    def __init__(
        self, request: Asked, settings: dict[str, Any], turn: Turn, trainer: Trainer, parts: int, board: Board
    ) -> None:
        self.request, self.turn, self.trainer, self.board = request, turn, trainer, board
        self._parts, self._batch = parts, parts * trainer.stage.batch
        #: what a checkpoint must agree in: everything but the budget
        self._settings = {name: value for name, value in settings.items() if name not in ("seconds", "steps")}
        self._folder = trainer.checkpoints
        self.rate, self.rollbacks = 1.0, 0
        self._trend, self._limit = math.nan, 0.0
        self._recent: deque[tuple[int, float]] = deque(maxlen=8)
        self._read_at = self._save_at = self._draw_at = 0.0
        self._returned_to: Path | None = None
        self._over = False
        self._chance: Tensor | None = None  # the random generator as it was before the step that is being taken

    def events(self) -> Iterator[Event]:
        """All events, the last a ``Result``."""
        try:
            yield from self._told()
        except Cancelled:
            if self.turn.interrupted:
                self._leave()
            raise

    def _told(self) -> Iterator[Event]:
        yield from self._begin()
        while not self._over:
            self._advance()
            last = self.share >= 1 or self.turn.finishing
            yield from self._look(last)
            self.turn.checkpoint()
        yield Progress("saving")
        yield self._result()

    @property
    def share(self) -> float:
        """How much of the budget is used, 0 to 1: of the time or of the steps, whichever is further."""
        of_time = self.trainer.seconds / self.request.seconds if self.request.seconds else 0.0
        of_steps = self.trainer.step / self.request.steps if self.request.steps else 0.0
        return min(1.0, max(of_time, of_steps))

    def _advance(self) -> None:
        began = self.turn.device_seconds
        self._chance = self.trainer.stage.random.get_state()
        self.trainer.advance(self.rate * min(1.0, (1 - self.share) / COOL), self._parts, self.turn.checkpoint)
        self.trainer.seconds += self.turn.device_seconds - began
        self._chance = None

    # ------------------------------------------------------------------------------------- beginning

    def _begin(self) -> Iterator[Event]:
        found, skipped = self._folder.newest()
        if found is not None:
            self._restore(*found)
            at = self.trainer.step, self.trainer.seconds
            yield from (mark("skipped", "{reason}", *at, reason=reason) for reason in skipped)
            yield mark("resumed", "resumed at step {step}", *at, step=at[0])
            self._over = self.share >= 1
        else:
            yield from self._save()
        yield self._progress()
        yield self._draw()

    def _restore(self, position: Position, tensors: dict[str, Tensor]) -> None:
        if position.request != self._settings:
            names = [name for name, value in self._settings.items() if position.request.get(name) != value]
            raise StudioError(
                "own.other",
                "This training was begun with other settings ({names}) and cannot go on with these. Start a new one.",
                names=", ".join(names) or "of another version",
            )
        try:
            self.trainer.restore(position, tensors)
        except (KeyError, IndexError, RuntimeError) as error:
            raise StudioError(
                "training.state",
                "The checkpoint of this training is of another version ({reason}). Start it anew.",
                reason=str(error)[:120],
            ) from error
        self.rate, self.rollbacks = position.rate, position.rollbacks

    # --------------------------------------------------------------------------------- between steps

    def _look(self, last: bool) -> Iterator[Event]:
        """Whatever is due after a step; after the ``last`` one everything is."""
        now = self.trainer.seconds
        save, draw = last or now >= self._save_at, last or now >= self._draw_at
        if not (save or draw or time.monotonic() >= self._read_at):
            return
        returns = self.rollbacks
        yield from self._read()
        if save and self.rollbacks == returns:
            yield from self._save()
        if draw and self.rollbacks == returns:
            yield self._draw()
        self._over = last and (self.rollbacks == returns or self.turn.finishing)

    def _read(self) -> Iterator[Event]:
        began = self.turn.device_seconds
        loss = self.trainer.mean_loss()  # on a GPU the wait for the steps under way is training time
        self.trainer.seconds += self.turn.device_seconds - began
        self._read_at = time.monotonic() + READ_EVERY
        self._limit = self._limit or max(LIMIT, 10 * abs(loss))
        if not abs(loss) < self._limit:
            yield from self._go_back()
            return
        step, seconds = self.trainer.step, self.trainer.seconds
        rate = self._rate(step, seconds)
        series = {"loss": (loss,), "trend": (self._smoothed(loss),), "speed": (rate * self._batch,)}
        yield Metrics((step,), (seconds,), series, rate, self._left(rate))
        yield self._progress()

    def _smoothed(self, loss: float) -> float:
        """The loss of many batches: one alone says more of the times it drew than of the network."""
        steps = self._recent[-1][0] - self._recent[-2][0] if len(self._recent) > 1 else 1
        keep = math.exp(-steps / TREND)
        self._trend = loss if math.isnan(self._trend) else keep * self._trend + (1 - keep) * loss
        return self._trend

    def _rate(self, step: int, seconds: float) -> float:
        """Steps per second over the last few readings."""
        self._recent.append((step, seconds))
        (step0, seconds0), (step1, seconds1) = self._recent[0], self._recent[-1]
        return (step1 - step0) / (seconds1 - seconds0) if seconds1 > seconds0 else step / max(seconds, 1e-6)

    def _left(self, rate: float) -> float | None:
        ends = [self.request.seconds - self.trainer.seconds] if self.request.seconds else []
        if self.request.steps and rate > 0:
            ends.append((self.request.steps - self.trainer.step) / rate)
        return max(0.0, min(ends)) if ends else None

    def _progress(self) -> Progress:
        """In seconds or steps, whichever budget is further used."""
        request, trainer = self.request, self.trainer
        if request.seconds and self.share == min(1.0, trainer.seconds / request.seconds):
            return Progress("training", min(trainer.seconds, request.seconds), request.seconds, "second")
        return Progress("training", trainer.step, request.steps, "step")

    def _draw(self) -> Sample:
        began = self.turn.device_seconds
        grid = self.board.grid(self.trainer.average, self.turn.checkpoint)
        held = self.turn.device_seconds - began
        self._draw_at = self.trainer.seconds + max(DRAW_EVERY, held / DRAW_SHARE)
        with self.turn.aside():
            return Sample(self.trainer.step, webp(grid), self.board.captions)

    def _save(self) -> Iterator[Event]:
        tensors = self.trainer.state()
        if not _finite(tensors):
            yield from self._go_back()
            return
        began = time.perf_counter()
        with self.turn.aside():
            self._folder.save(self._position(), tensors)
            self.turn.saved()
        self._save_at = self.trainer.seconds + max(SAVE_EVERY, (time.perf_counter() - began) / SAVE_SHARE)

    def _position(self) -> Position:
        return Position(self.trainer.step, self.trainer.seconds, self._settings, self.rate, self.rollbacks)

    def _leave(self) -> None:
        """Saves what the last checkpoint does not have, as this may go on later; nothing that is unsound."""
        tensors = self.trainer.state()
        if self._chance is not None:  # amid a step, which is then taken again from its beginning
            tensors["random"] = self._chance
        unread = self.trainer.unread
        sound = not unread or abs(self.trainer.mean_loss()) < (self._limit or LIMIT)
        if sound and _finite(tensors):
            self._folder.save(self._position(), tensors)

    # --------------------------------------------------------------------------------- going back

    def _go_back(self) -> Iterator[Event]:
        """To the last checkpoint, or the one before where that has just failed, at half the learning rate."""
        bad, rollbacks, rate = self.trainer.step, self.rollbacks + 1, self.rate / 2
        if rollbacks > MAX_ROLLBACKS:
            raise StudioError(
                "training.diverged",
                "The training diverged again at step {step}, after {count} returns with a smaller learning rate each. "
                "Start anew with a learning rate below {rate}.",
                step=bad,
                count=MAX_ROLLBACKS,
                rate=f"{self.request.learning_rate:g}",
            )
        newest, *older = self._folder.paths()
        if older and newest == self._returned_to:
            newest.unlink()
        found, _ = self._folder.newest()
        if found is None:
            raise ValueError("a training cannot go back before its beginning")
        self._restore(*found)
        self._recent.clear()
        self._trend = math.nan
        self._returned_to = self._folder.path(self.trainer.step)
        self.rate, self.rollbacks = rate, rollbacks
        at = bad, self.trainer.seconds
        yield mark(
            "diverged",
            "diverged at step {bad}: back to {step}, learning rate halved",
            *at,
            bad=bad,
            step=self.trainer.step,
        )
        yield from self._save()  # so that a restart does not return to the rate that failed

    def _result(self) -> Result:
        trainer = self.trainer
        facts: dict[str, Scalar] = {
            "steps": trainer.step,
            "seconds": round(trainer.seconds, 3),
            "pictures_per_second": round(trainer.step * self._batch / max(trainer.seconds, 1e-6), 1),
            "rollbacks": self.rollbacks,
        }
        return self.board.result(trainer.average, facts, self.turn)


def _finite(tensors: dict[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor.sum())) for tensor in tensors.values() if tensor.is_floating_point())


def mark(key: str, sentence: str, at: int = 0, seconds: float = 0.0, **values: Scalar) -> Mark:
    """A mark at the step ``at``; key and sentence are literals, for translators."""
    return Mark(at, seconds, sentence.format(**values), key, values)
