"""The lease: one device, one holder, and who goes next.

Knows jobs by name, owner and class, and the device seconds each has used. Does not know what they compute. A plain
lock is unfair here: a training loop that gives it back takes it again before anybody wakes (p95 of the others six
times worse, measured). The lease therefore hands over: whoever lets go names the next holder.

Who goes next: interactive before training, unless training has had less than its share of the time in which it wanted
the device; before both whoever is interrupted, for the last turn it has. Inside a class the owner with the least device
time lately goes first, and of his jobs the one with the least. Whoever comes (back) while others are at work is owed at
most ``LEAD`` seconds, so that nobody who is there stands still for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipelines.base import Cancelled, Scalar

#: device time is forgotten: half of it after this many seconds of anybody's device time
HALF_LIFE = 10.0
#: device seconds that a newcomer may have before whoever has used the device most of those who are there
LEAD = 1.0
#: device seconds of its share that training may have had beforehand, while nobody else was there
AHEAD = 0.05
#: device seconds of its share that training may catch up on for time in which it lent the device out itself
BEHIND = 0.1


@dataclass(eq=False)
class Hold:
    """One job's place at the lease, made by ``Lease.enter``. Everything here is guarded by the lease's lock."""

    job_id: str
    owner: str
    interactive: bool
    used: float = 0.0  # device seconds over all attempts
    lately: float = 0.0  # the same, fading
    arrived: int = 0
    waiting: bool = False
    away: bool = False  # it has lent the device out, and will want it back
    paused: bool = False
    finishing: bool = False
    cancelled: bool = False
    interrupted: bool = False  # cancelled, but not by its owner: it can go on later
    changes: list[Mapping[str, Scalar]] = field(default_factory=list)  # that the job has not taken yet
    heeding: bool = False  # it has taken some and is at work on them
    resting: bool = False  # what was last told of its pause
    company: tuple[Hold, ...] = ()  # whom else its steps serve

    @property
    def rests(self) -> bool:
        """Paused, with nothing to do. What a person changes meanwhile is heeded at once: it is what they wait for."""
        return self.paused and not self.changes and not self.heeding

    @property
    def in_line(self) -> bool:
        """An interrupted job waits for one more turn, in which it may save what it has."""
        return self.waiting and (self.interrupted or not (self.rests or self.cancelled))


class Lease:
    """One device and those who take turns on it.

    ``synchronise`` is called before the device changes hands (on CUDA, work is still queued when Python returns).
    ``on_pause`` is told a job and whether it now rests; it must not block. ``changed`` guards everything here and wakes
    those who wait; a simulation brings its own.
    """

    def __init__(
        self,
        training_share: float = 0.15,
        synchronise: Callable[[], None] = lambda: None,
        on_pause: Callable[[str, bool], None] = lambda _job_id, _paused: None,
        clock: Callable[[], float] = time.monotonic,
        changed: threading.Condition | None = None,
    ) -> None:
        self.training_share = training_share
        self._synchronise = synchronise
        self._on_pause = on_pause
        self._clock = clock
        self._changed = changed or threading.Condition()
        self._beats = 0
        self._holder: Hold | None = None
        self._since = 0.0
        self._arrivals = 0
        self._holds: dict[str, Hold] = {}
        self._owners: dict[str, float] = {}  # fading device seconds by owner
        self._debt = 0.0  # device seconds that training is under its share, of the time in which it wanted the device

    # ------------------------------------------------------------------- coming and going

    def enter(self, job_id: str, owner: str, interactive: bool, used: float = 0.0) -> Hold:
        """A place for a job, not holding yet. It starts level with its owner's least used job, owed nothing."""
        with self._changed:
            others = [hold.lately for hold in self._holds.values() if hold.owner == owner]
            hold = Hold(job_id, owner, interactive, used, lately=min(others, default=0.0))
            self._holds[job_id] = hold
            return hold

    def leave(self, hold: Hold) -> None:
        """Gives the device back, if held, and forgets the place."""
        with self._changed:
            self._account()
            self._holds.pop(hold.job_id, None)
            self._let_go(hold)

    def take(self, hold: Hold) -> None:
        """Waits for the device. Raises ``Cancelled``, to an interrupted job once it holds the device."""
        with self._changed:
            self._holds.setdefault(hold.job_id, hold)  # it may have left before it found that it needs the device again
            if self._holder is not hold:
                self._wait(hold)

    def give(self, hold: Hold) -> None:
        """Gives the device back and keeps the place."""
        self._synchronise()
        with self._changed:
            self._let_go(hold)

    def checkpoint(self, hold: Hold) -> None:
        """Between two steps: a cancel is raised, a pause waited out, the device handed on where that is due."""
        with self._changed:
            hold.heeding = False
            self._beats += 1
            self._account()
            if hold.cancelled:
                raise Cancelled
            if not hold.rests and not self._someone_first(hold):
                self._say_rest(hold)
                return
        self._synchronise()
        with self._changed:
            self._wait(hold)

    @contextmanager
    def aside(self, hold: Hold) -> Iterator[None]:
        """Lends the device out for the length of the block."""
        self.give(hold)
        hold.away = True
        try:
            yield
        finally:
            hold.away = False
            if hold.job_id in self._holds:
                self.take(hold)

    def share(self, hold: Hold, company: Sequence[Hold]) -> None:
        """Divides ``hold``'s device seconds evenly among it and ``company`` from now on."""
        with self._changed:
            self._account()
            hold.company = tuple(company)

    # ------------------------------------------------------------------ being told, looking

    def tell(self, job_id: str, what: str) -> bool:
        """Cancel, interrupt, finish, pause or resume one job and no other. False where it is not here."""
        with self._changed:
            hold = self._holds.get(job_id)
            if hold is None:
                return False
            match what:
                case "cancel":
                    hold.cancelled = True
                case "interrupt":
                    hold.cancelled = hold.interrupted = True
                case "finish":
                    hold.finishing, hold.paused = True, False
                case "pause":
                    hold.paused = True
                case "resume":
                    hold.paused = False
                case _:
                    raise ValueError(f"a job can be told cancel, interrupt, finish, pause or resume, not {what}")
            self._wake()
            return True

    def steer(self, job_id: str, changes: Mapping[str, Scalar]) -> bool:
        """Hands one job what a person has changed. False where it is not here."""
        with self._changed:
            hold = self._holds.get(job_id)
            if hold is None:
                return False
            hold.changes.append(changes)
            self._wake()
            return True

    def changes(self, hold: Hold) -> tuple[Mapping[str, Scalar], ...]:
        """Takes what was changed since the last call. With anything taken a pause waits for the next checkpoint."""
        with self._changed:
            taken, hold.changes = tuple(hold.changes), []
            hold.heeding = hold.heeding or bool(taken)
            return taken

    @property
    def holder(self) -> str | None:
        with self._changed:
            return None if self._holder is None else self._holder.job_id

    def pulse(self) -> tuple[str | None, int]:
        """Who holds the device, and a number that stands still for as long as nobody takes a step."""
        with self._changed:
            return None if self._holder is None else self._holder.job_id, self._beats

    def seconds(self, hold: Hold) -> float:
        """Device seconds of a job up to now."""
        with self._changed:
            self._account()
            return hold.used

    def all_seconds(self) -> dict[str, float]:
        """The same of every job that is here."""
        with self._changed:
            self._account()
            return {job_id: hold.used for job_id, hold in self._holds.items()}

    # ------------------------------------------------------------- inside; the lock is held

    def _wait(self, hold: Hold) -> None:
        """Stands in line until handed the device. A pause keeps the place and steps out of the line."""
        self._arrivals += 1
        hold.arrived, hold.waiting = self._arrivals, True
        self._owe_little(hold)
        if self._holder is None or self._holder is hold:
            self._account()
            self._hand_over()
        while self._holder is not hold:
            if hold.cancelled and not hold.interrupted:
                hold.waiting = False
                raise Cancelled
            self._say_rest(hold)
            self._changed.wait()
        if hold.interrupted:
            raise Cancelled
        self._say_rest(hold)

    def _owe_little(self, hold: Hold) -> None:
        """Lifts the time booked on an owner to at most ``LEAD`` below the most of the others who are at work now."""
        others = [
            self._owners.get(other.owner, 0.0)
            for other in self._holds.values()
            if other.owner != hold.owner and (other.in_line or other is self._holder)
        ]
        if others:
            self._owners[hold.owner] = max(self._owners.get(hold.owner, 0.0), max(others) - LEAD)

    def _say_rest(self, hold: Hold) -> None:
        """Tells of a pause that begins once the job rests, or that is over; not of the moments in which it heeds."""
        if hold.resting != hold.paused and (hold.rests or not hold.paused):
            hold.resting = hold.paused
            self._on_pause(hold.job_id, hold.paused)

    def _wake(self) -> None:
        if self._holder is None:
            self._hand_over()
        self._changed.notify_all()

    def _let_go(self, hold: Hold) -> None:
        if self._holder is hold:
            self._account()
            self._hand_over()

    def _hand_over(self) -> None:
        line = (hold for hold in self._holds.values() if hold.in_line)
        self._holder = min(line, key=self._rank, default=None)
        self._since = self._clock()
        if self._holder is not None:
            self._beats += 1
            self._holder.waiting = False
            self._changed.notify_all()

    def _someone_first(self, hold: Hold) -> bool:
        mine = self._rank(hold)[:3]
        return any(other.in_line and self._rank(other)[:3] < mine for other in self._holds.values())

    def _rank(self, hold: Hold) -> tuple[bool, float, float, int]:
        """Smallest first."""
        if hold.interrupted:
            return False, -1.0, 0.0, hold.arrived
        later = hold.interactive == self._training_owed()
        least = min(self._owners.get(one.owner, 0.0) for one in (hold, *hold.company))
        return later, least, hold.lately, hold.arrived

    def _training_owed(self) -> bool:
        return self._debt > 1e-9

    def _account(self) -> None:
        """Books the time since the last booking on the holder and its company, and lets older time fade."""
        now = self._clock()
        hold, spent, self._since = self._holder, max(0.0, now - self._since), now
        if hold is None:
            return
        fade = 0.5 ** (spent / HALF_LIFE)
        for other in self._holds.values():
            other.lately *= fade
        self._owners = {owner: used * fade for owner, used in self._owners.items() if used * fade > 1e-3}
        served = (hold, *hold.company)
        for one in served:
            one.used += spent / len(served)
            one.lately += spent / len(served)
            self._owners[one.owner] = self._owners.get(one.owner, 0.0) + spent / len(served)
        self._owe_training(hold, spent)

    def _owe_training(self, holder: Hold, spent: float) -> None:
        """Keeps count of the share that training is due. What it has alone is no reason to keep it waiting later, and
        what it lends out, to draw or to save, it gets back, but for no longer than somebody who asks would mind."""
        if holder.interactive:
            training = [other for other in self._holds.values() if not other.interactive]
            if any(other.in_line for other in training):
                self._debt += self.training_share * spent
            elif any(other.away for other in training):
                self._debt = max(self._debt, min(self._debt + self.training_share * spent, BEHIND))
            return
        after = self._debt - (1 - self.training_share) * spent
        alone = not any(other.in_line and other.interactive for other in self._holds.values())
        self._debt = max(after, min(self._debt, -AHEAD)) if alone else after
