"""Who has used how much of the device: lately, fading, to be fair by; and in the last day, to keep to a cap by.

Knows jobs, owners and seconds; times are seconds since 1970. Whether anybody may use more is for others to say.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from studio.engine.job import Job

DAY = 24 * 3600.0
#: half of what was used is forgotten after this many seconds
HALF_LIFE = 600.0


class Lately:
    """Device seconds by owner, each half forgotten after ``half_life``."""

    def __init__(self, half_life: float = HALF_LIFE) -> None:
        self._half_life = half_life
        self._used: dict[str, tuple[float, float]] = {}  # owner: seconds, as of when

    def add(self, owner: str, seconds: float, at: float) -> None:
        """``seconds`` more, used at about ``at``; earlier ones than what is known are faded to it."""
        used, since = self._used.get(owner, (0.0, at))
        now = max(at, since)
        self._used[owner] = (used * self._fade(now - since) + seconds * self._fade(now - at), now)

    def of(self, owner: str, now: float) -> float:
        used, since = self._used.get(owner, (0.0, now))
        return used * self._fade(max(0.0, now - since))

    def all(self, now: float) -> dict[str, float]:
        """Of everybody; whoever is down to a hundredth of a second is forgotten."""
        found = {owner: self.of(owner, now) for owner in list(self._used)}
        for owner in [owner for owner, used in found.items() if used < 0.01]:
            del self._used[owner], found[owner]
        return found

    def _fade(self, age: float) -> float:
        return float(0.5 ** (age / self._half_life))


@dataclass(frozen=True)
class Spell:
    """``seconds`` of the device, used evenly from ``since`` to ``until``."""

    since: float
    until: float
    seconds: float

    def after(self, when: float) -> float:
        """How much of it was used after ``when``."""
        if when <= self.since:
            return self.seconds
        if when >= self.until:
            return 0.0
        return self.seconds * (self.until - when) / (self.until - self.since)


class Day:
    """Device seconds by owner in the last 24 hours."""

    def __init__(self) -> None:
        self._spells: dict[str, deque[Spell]] = defaultdict(deque)

    def add(self, owner: str, since: float, until: float, seconds: float) -> None:
        """Spells come about in the order in which they end; one that joins the last is added to it."""
        spells = self._spells[owner]
        last = spells[-1] if spells else None
        if last is not None and since <= last.until <= until and until - last.since < 60:
            spells[-1] = Spell(last.since, until, last.seconds + seconds)
        else:
            spells.append(Spell(since, until, seconds))

    def used(self, owner: str, now: float) -> float:
        spells = self._spells.get(owner)
        if spells is None:
            return 0.0
        while spells and spells[0].until <= now - DAY:
            spells.popleft()
        if not spells:
            del self._spells[owner]
        return sum(spell.after(now - DAY) for spell in spells)

    def frees(self, owner: str, limit: float, now: float) -> float:
        """When less than ``limit`` will have been used in the 24 hours before, if nothing more is."""
        low, high = now, now + DAY
        while high - low > 1.0:
            middle = (low + high) / 2
            if sum(spell.after(middle - DAY) for spell in self._spells.get(owner, ())) < limit:
                high = middle
            else:
                low = middle
        return high


class Usage:
    """Both, fed with what each running job has used in all."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lately = Lately()
        self._day = Day()
        self._seen: dict[str, tuple[float, float]] = {}  # job: its device seconds, as of when

    def begin_with(self, job: Job) -> None:
        """Takes up a job of an earlier run of the studio, whose row says what it has used."""
        until = self._clock() if job.ended is None else job.ended
        since = min(until, until if job.started is None else job.started)
        if job.device_seconds > 0:
            self._day.add(job.owner, since, until, job.device_seconds)
            self._lately.add(job.owner, job.device_seconds, until)

    def begins(self, job: Job) -> None:
        """From now on ``book`` counts what is beyond the job's ``device_seconds``."""
        self._seen[job.id] = (job.device_seconds, self._clock())

    def book(self, job: Job, seconds: float) -> None:
        """The job, which has begun, has used ``seconds`` in all its attempts up to now."""
        before, since = self._seen.get(job.id, (seconds, 0.0))
        if seconds > before:
            now = max(since, self._clock())
            self._seen[job.id] = (seconds, now)
            self._lately.add(job.owner, seconds - before, now)
            self._day.add(job.owner, since, now, seconds - before)

    def ends(self, job_id: str) -> None:
        self._seen.pop(job_id, None)

    def lately(self) -> dict[str, float]:
        """Fading device seconds of everybody who has used any."""
        return self._lately.all(self._clock())

    def day(self, owner: str) -> float:
        """Device seconds of the last 24 hours."""
        return self._day.used(owner, self._clock())

    def minutes_until(self, owner: str, limit: float) -> float:
        """In how many minutes the owner will have used less than ``limit`` seconds in 24 hours."""
        now = self._clock()
        return (self._day.frees(owner, limit, now) - now) / 60
