"""Whether a person may ask for one more job, or several at once, as things are: maintenance, files, minutes, the line.

Knows limits and caps, and says in a sentence which one it was. Does not know what is asked for, nor count who waits.
"""

from __future__ import annotations

from pipelines.errors import Busy
from studio.engine.caps import Caps
from studio.engine.usage import Usage
from studio.settings import Settings


class Admission:
    """All of it raises ``Busy`` or ``StudioError``; what is let through has no claim to anything yet."""

    def __init__(self, settings: Settings, caps: Caps) -> None:
        self._settings = settings
        self._caps = caps

    def check_room(self, owner: str, drained: bool, stored: int, usage: Usage) -> None:
        """``stored`` bytes are ``owner``'s; ``drained``: nothing new is begun."""
        if drained:
            raise Busy(
                "busy.drain",
                "This studio is about to be serviced and takes no new jobs. What runs goes on to its end, and what "
                "waits keeps its place. Try again later.",
            )
        self._caps.check_stored(owner, stored)
        self._caps.check_minutes(owner, usage.day(owner), lambda limit: usage.minutes_until(owner, limit))

    def check_waiting(self, owner: str, mine: int, all_of_us: int, asked: int = 1) -> None:
        """Raises ``Busy`` where ``mine`` of ``owner``'s wait, and ``all_of_us``, and ``asked`` more are too many."""
        if asked > 1:
            self._check_together(owner, mine, all_of_us, asked)
        if mine >= self._settings.waiting_each:
            raise Busy(
                "busy.yours",
                "You have {count} jobs waiting, and {limit} may wait at a time. One more can be asked for when the "
                "first of them begins.",
                count=mine,
                limit=self._settings.waiting_each,
            )
        if all_of_us >= self._settings.waiting:
            raise Busy(
                "busy.all",
                "{count} jobs are waiting, as many as this studio takes. Try again in a minute.",
                count=all_of_us,
            )
        self._caps.check_waiting(owner, mine)

    def _check_together(self, owner: str, mine: int, all_of_us: int, asked: int) -> None:
        """Several at once count as if all of them had to wait, so that the answer is the same however free it is."""
        if mine + asked > self._settings.waiting_each:
            raise Busy(
                "busy.together",
                "These are {asked} jobs at once, and none of them was begun: {limit} of yours may wait at a time, and "
                "{count} wait already. Ask for fewer, or again when those have begun.",
                asked=asked,
                limit=self._settings.waiting_each,
                count=mine,
            )
        if all_of_us + asked > self._settings.waiting:
            raise Busy(
                "busy.all_together",
                "These are {asked} jobs at once, and none of them was begun: this studio lets {limit} wait, and "
                "{count} wait already. Ask for fewer, or again in a minute.",
                asked=asked,
                limit=self._settings.waiting,
                count=all_of_us,
            )
        self._caps.check_together(owner, mine, asked)
