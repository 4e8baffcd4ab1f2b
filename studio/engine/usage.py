"""Who has used how much of the device: lately, fading, to be fair by; and in the last day, to keep to a cap by.

Knows owners and seconds. Times are seconds since 1970 and come from the caller, so nothing here looks at a clock.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

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
        return 0.5 ** (age / self._half_life)


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
