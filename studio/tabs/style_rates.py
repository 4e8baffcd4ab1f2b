"""How long the painters take on this device: what paintings took lately, remembered, and a trial where none was made.

Knows facts of jobs and where they are kept; what a painting looks at is ``pipelines.style.reckoning``'s. The web
process asks this, so nothing here computes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.style.reckoning import reckon
from pipelines.style.request import StyleRequest
from studio.store.choices import Choices

if TYPE_CHECKING:
    from studio.services import Studio

#: share of the newest figure in what is remembered
NEWEST = 0.5
#: seconds that a page waits for a trial; a busy device has the figure the next time
PATIENCE = 20.0
PREFIX = "rate_"


class Rates:
    """Device seconds for each million pixels by engine, for the device the studio runs on now."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._choices = studio, Choices(studio.database)
        self._trial = asyncio.Lock()

    def _name(self) -> str:
        return f"style.rates.{self._studio.jobs.status().device or 'unknown'}"

    def known(self) -> dict[str, float]:
        """What is remembered; ``bytes`` is of each number that the networks keep."""
        return {name: float(rate) for name, rate in (self._choices.get(self._name()) or {}).items()}

    def learn(self, facts: Mapping[str, Any]) -> None:
        """Takes the figures out of what a job says of itself."""
        rates = {name.removeprefix(PREFIX): rate for name, rate in facts.items() if name.startswith(PREFIX)}
        if not rates:
            return
        before = self.known()
        mixed = {name: NEWEST * rate + (1 - NEWEST) * before.get(name, rate) for name, rate in rates.items()}
        if "number_bytes" in facts:
            mixed["bytes"] = float(facts["number_bytes"])
        self._choices.set(self._name(), {**before, **mixed})

    async def reckoned(self, owner: str, request: StyleRequest, width: int, height: int) -> dict[str, Any]:
        """Bytes and seconds of ``request``; the device is tried first where it has not painted like that yet."""
        found = self._reckon(request, width, height)
        if found["seconds"] is None:
            async with self._trial:
                found = self._reckon(request, width, height)
                if found["seconds"] is None:
                    await self._try(owner, request)
                    found = self._reckon(request, width, height)
        return found

    def _reckon(self, request: StyleRequest, width: int, height: int) -> dict[str, Any]:
        rates = self.known()
        found = reckon(request, width, height, int(rates.get("bytes", 4)), rates)
        return {"bytes": found.bytes, "seconds": found.seconds}

    async def _try(self, owner: str, request: StyleRequest) -> None:
        """A trial of all engines on a small copy of the photo."""
        asked = {"photo": request.photo, "what": "trial"}
        job = self._studio.submit(owner, "style", asked)
        try:
            async with asyncio.timeout(PATIENCE):
                async for _ in self._studio.jobs.follow(owner, job.id):
                    pass
        except TimeoutError:
            return
        self.learn(self._studio.jobs.get(owner, job.id).facts)
