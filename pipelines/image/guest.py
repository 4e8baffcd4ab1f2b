"""What one person's picture does where others may be painted with it: it looks for company, goes along, tells of it.

Each keeps its own turn, so that a cancel, a pause or an early end is its own; what came to nothing in company is
painted alone. Knows ``company`` (who goes with whom) and ``together`` (what is computed); not the engine or the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PIL import Image

from pipelines.base import Preview, Progress, Turn
from pipelines.image.company import Call, Door, Step, Wish, served
from pipelines.image.kinds import kind_of, words_of
from pipelines.image.loading import Pipe
from pipelines.image.previews import Look
from pipelines.image.request import ImageRequest
from pipelines.image.together import Painted, Together, check_finite, overflow
from pipelines.streaming import Emit

#: a picture that was begun alone joins others in the first of so many parts of its steps, and begins again
EARLY = 8


class Beckoned(Exception):  # noqa: N818 - a better way to go on, not a fault
    """Leaves a call for one, just begun, because others gather for the same kind of picture."""


class Painting(Protocol):
    """The request on its way that this is a part of."""

    pipe: Pipe
    look: Look | None
    turn: Turn
    emit: Emit
    done: int
    guided: bool | None
    blocked: int

    def count_steps(self, of_call: int) -> int:
        """Steps of the whole request, where this call and those to come have ``of_call``."""


class Guest:
    """One request at the ``door`` of its model. ``most``: pictures of a call."""

    def __init__(self, painting: Painting, door: Door, most: int) -> None:
        self._painting = painting
        self._door = door
        self._most = most
        self._together: Together
        self._alone: Wish | None = None  # what is being painted alone and would join others
        self._began = 0
        self._shown_at = 0

    def beckoned(self, step: int, total: int) -> bool:
        """Whether a picture that is at ``step`` of ``total``, alone, had better join others."""
        return self._alone is not None and step <= max(1, total // EARLY) and self._door.open_for(self._alone)

    def paint(self, read: ImageRequest, seeds: list[int], alone: Callable[[], list[Image.Image]]) -> list[Image.Image]:
        """A picture for each of ``seeds`` from words: with others who want the like now, or ``alone``."""
        painting = self._painting
        kind = kind_of(painting.pipe, read) if len(seeds) < self._most else None
        if kind is None:
            return alone()
        wish = Wish(painting.turn, kind, words_of(read), seeds)
        self._together = Together(painting.pipe, read, painting.look, self._door.proven)
        self._began = painting.done
        with self._door.inside(wish):
            made = self._in_company(wish)
            try:
                self._alone = wish
                return made or alone()
            except Beckoned:
                self._alone = None
                painting.done = self._began
                return self._in_company(wish) or alone()
            finally:
                self._alone = None

    def _in_company(self, wish: Wish) -> list[Image.Image] | None:
        """The pictures of ``wish`` from a call for several; None where it has to be painted alone."""
        call = self._door.join(wish, lambda: Call(self._most, self._together.paint))
        if call is None:
            return None
        self._shown_at = 0
        try:
            left = served(call, wish, lambda step: self._tell(step, wish.rows))
            if left is not None:
                return self._early(left, wish)
            made = call.made(wish)
        finally:
            call.leave(wish)
        if made is None:
            self._door.part(wish.kind)
            self._painting.done = self._began
            return None
        return self._pictures(made)

    def _tell(self, step: Step, rows: slice) -> None:
        painting = self._painting
        if not all(step.finite[rows]):
            raise overflow(step.latents.dtype)
        painting.done = self._began + step.number
        painting.emit(Progress("denoising", painting.done, painting.count_steps(step.total), "step"))
        if painting.look is not None and step.shown is not None and step.shown_at > self._shown_at:
            self._shown_at = step.shown_at
            painting.emit(Preview(step.shown_at, step.total, painting.look.picture(step.shown[rows])))
        if step.last:
            painting.emit(Progress("decoding"))

    def _early(self, step: Step, wish: Wish) -> list[Image.Image] | None:
        """What there was after ``step``, where the person asked to end: decoded alone, while the others go on."""
        painting = self._painting
        painting.turn.checkpoint()
        if step.number == 0 or not hasattr(type(painting.pipe), "interrupt"):  # made whole then, alone
            return None
        latents = step.latents[wish.rows]
        check_finite(latents)
        made = self._together.finish(latents, wish.seeds, lambda: painting.emit(Progress("decoding")))
        painting.turn.checkpoint()
        return self._pictures(made)

    def _pictures(self, made: Sequence[Painted]) -> list[Image.Image]:
        self._painting.guided = made[0].guided
        self._painting.blocked += sum(each.blocked for each in made)
        return [each.picture for each in made]
