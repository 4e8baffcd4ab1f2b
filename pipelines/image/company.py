"""Pictures of the same kind that several people wait for at once are made in one call.

A call is found where somebody is about to paint while another of the same kind is being painted, and open for a moment:
who is alone waits for nobody. Its steps are taken by one of those it serves, the leader, who holds the device; the
others lend the device out and look what has come. Where the leader ends, rests or is stopped another leads, and the
call goes on (see ``relay``); whoever leaves stays in it as rows that nobody looks at. Device seconds are divided evenly
among those it serves. Knows threads and turns; not what a picture is or how it is painted.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipelines.base import Turn
from pipelines.image.relay import Relay, Rest

#: seconds for which a call is open to more
WINDOW = 0.03
#: seconds between two looks of those who do not lead
LOOK = 0.05


@dataclass(eq=False)
class Wish:
    """Somebody's part of a call of the kind ``kind``: a picture for each of ``seeds``, in these ``words``."""

    turn: Turn
    kind: Hashable
    words: Any
    seeds: list[int]
    rows: slice = field(default_factory=lambda: slice(0, 0))


@dataclass(frozen=True)
class Step:
    """How far a call is. ``latents``: what there is by now; ``shown``, of step ``shown_at``: the last look at it.

    ``finite`` says of each row whether its numbers are any, where that was looked at.
    """

    number: int = 0
    total: int = 0
    latents: Any = None
    finite: tuple[bool, ...] = ()
    shown: Any = None
    shown_at: int = 0

    @property
    def last(self) -> bool:
        """Whether there is none after it."""
        return 0 < self.total <= self.number


#: makes all pictures of a call, a row for each seed of each wish; None where they would not be those made alone
Paint: TypeAlias = Callable[["Call", Rest], Sequence[Any] | None]


class Call:
    """A call for several wishes, ``most`` pictures at most."""

    def __init__(self, most: int, paint: Paint) -> None:
        self._most = most
        self._paint = paint
        self._changed = threading.Condition()
        self._members: list[Wish] = []
        self._leader: Wish | None = None
        self._open, self._busy = True, False
        self._relay = Relay(self._run)
        self._made: Sequence[Any] | None = None
        #: whom it was begun for, in the order of its rows
        self.wishes: tuple[Wish, ...] = ()
        self.step = Step()

    def _run(self, rest: Rest) -> None:
        self._made = self._paint(self, rest)

    # ---------------------------------------------------------------------------- coming and going

    def admit(self, wish: Wish) -> bool:
        """Lets ``wish`` take part, where there is room and it has not begun. The first one leads."""
        with self._changed:
            if not self.fits(wish):
                return False
            self._members.append(wish)
            self._leader = self._leader or wish
            self._changed.notify_all()
            return True

    def fits(self, wish: Wish) -> bool:
        """Whether ``wish`` could be let in now."""
        return self._open and self._pictures() + len(wish.seeds) <= self._most

    def gather(self, seconds: float) -> None:
        """Lasts so long, less where there is no room any more or it has begun."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open or self._pictures() >= self._most, seconds)

    def close(self, wish: Wish) -> bool:
        """Lets nobody in any more. True where ``wish`` is not the only one."""
        with self._changed:
            self._open = False
            return bool(self.wishes) or self._members != [wish]

    def leave(self, wish: Wish) -> None:
        """``wish`` is of no interest any more. Where nobody is left the call ends at once."""
        with self._changed:
            if wish in self._members:
                self._members.remove(wish)
            self._give_up_lead(wish)
            deserted = not self._members
            if deserted:
                self._open = False
        wish.turn.share(())
        if deserted:
            self._relay.drop()

    # ---------------------------------------------------------------------------------- its steps

    @property
    def done(self) -> bool:
        return self._relay.ended

    @property
    def failed(self) -> bool:
        """Whether it came to nothing; each has to be painted alone then."""
        return self.done and self._made is None

    def leads(self, wish: Wish) -> bool:
        """Whether ``wish`` leads. It does from now on where nobody does, or the leader was called away."""
        with self._changed:
            vacant = self._leader is None or (not self._busy and self._leader.turn.called)
            if vacant and wish in self._members:
                self._leader = wish
            return self._leader is wish

    def step_back(self, wish: Wish) -> None:
        """``wish`` is called away: whoever else there is may lead."""
        with self._changed:
            self._give_up_lead(wish)
        wish.turn.share(())

    def go_on(self, wish: Wish) -> None:
        """Computes a step for all, ``wish`` holding the device. Where another leads by now: nothing."""
        with self._changed:
            if self._leader is not wish:
                return
            self._begin()
            self._busy = True
            others = [one.turn for one in self._members if one is not wish]
        try:
            wish.turn.share(others)
            self._relay.go_on()
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def wait(self, number: int) -> None:
        """Lasts until there was a step after ``number``, or the end, or the lead is vacant, or a moment."""
        with self._changed:
            self._changed.wait_for(lambda: self.done or self.step.number > number or self._leader is None, LOOK)

    def made(self, wish: Wish) -> Sequence[Any] | None:
        """What was painted for ``wish``, once it is done; None where it came to nothing."""
        return None if self._made is None else self._made[wish.rows]

    # ---------------------------------------------------------------------- inside; the lock is held

    def _pictures(self) -> int:
        return sum(len(wish.seeds) for wish in self._members)

    def _give_up_lead(self, wish: Wish) -> None:
        if self._leader is wish:
            self._leader = None
            self._changed.notify_all()

    def _begin(self) -> None:
        if self.wishes:
            return
        self._open, place = False, 0
        for wish in self._members:
            wish.rows = slice(place, place + len(wish.seeds))
            place += len(wish.seeds)
        self.wishes = tuple(self._members)
        self._changed.notify_all()


class Door:
    """Who paints, or is about to, on one loaded model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: Counter[Hashable] = Counter()
        self._gathering: dict[Hashable, Call] = {}
        self._apart: set[Hashable] = set()
        #: whether pictures of this model come out the same in company, by what that may depend on
        self.proven: dict[Hashable, bool] = {}

    @contextmanager
    def inside(self, wish: Wish) -> Iterator[None]:
        """For the length of the block ``wish`` is being painted."""
        with self._lock:
            self._inside[wish.kind] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= Counter([wish.kind])

    def open_for(self, wish: Wish) -> bool:
        """Whether others gather for a call that ``wish`` could join now."""
        with self._lock:
            call = self._gathering.get(wish.kind)
            return call is not None and call.fits(wish)

    def join(self, wish: Wish, found: Callable[[], Call]) -> Call | None:
        """The call that ``wish``, which holds the device, takes part in; None where it is alone, and then at once.

        Where there is somebody to share with but nobody gathers, it gathers in a call of ``found`` and lends the device
        out meanwhile. Raises ``Cancelled``.
        """
        with self._lock:
            if wish.kind in self._apart:
                return None
            call = self._gathering.get(wish.kind)
            if call is not None and call.admit(wish):
                return call
            if self._inside[wish.kind] < 2:
                return None
            call = self._gathering[wish.kind] = found()
            call.admit(wish)
        try:
            with wish.turn.aside():
                call.gather(WINDOW)
        except BaseException:
            call.leave(wish)
            raise
        finally:
            with self._lock:
                if self._gathering.get(wish.kind) is call:
                    del self._gathering[wish.kind]
        return call if call.close(wish) else None

    def part(self, kind: Hashable) -> None:
        """Nobody shares a call of this kind any more: together they came to nothing, or to other pictures."""
        with self._lock:
            self._apart.add(kind)


def served(call: Call, wish: Wish, tell: Callable[[Step], None]) -> Step | None:
    """Takes part until the call is done; where ``wish`` is to end early, until the step that is returned.

    ``tell`` is called with what is new: the latest step, which need not be the one after that told before. Where it
    brings a new look at the pictures the device is lent out meanwhile. Raises ``Cancelled``.
    """
    told = call.step
    while not call.done:
        if call.leads(wish):
            if wish.turn.called:
                call.step_back(wish)
            wish.turn.checkpoint()
            if wish.turn.finishing and not call.step.last:
                return _left(call, wish)
            call.go_on(wish)
            with wish.turn.aside() if call.step.shown_at > told.shown_at else nullcontext():
                told = _tell(call.step, told, tell)
        else:
            wish.turn.share(())
            with wish.turn.aside():
                while not (call.done or wish.turn.called or wish.turn.finishing or call.leads(wish)):
                    call.wait(told.number)
                    told = _tell(call.step, told, tell)
                if wish.turn.finishing and not call.step.last:  # now, as the device may be long in coming back
                    left = _left(call, wish)
                    _tell(left, told, tell)
                    return left
    wish.turn.checkpoint()
    return None


def _left(call: Call, wish: Wish) -> Step:
    step = call.step
    call.leave(wish)
    return step


def _tell(step: Step, told: Step, tell: Callable[[Step], None]) -> Step:
    if step.number > told.number:
        tell(step)
    return step
