"""A studio with its worker process, and people who ask it for texts, each again as soon as the last one is there.

Knows the services and which model they find; not what is compared. Nothing of the page is in the way: a person's time
is from asking to the moment in which the end is told.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.streams import PROMPTS
from studio.engine.job import Job
from studio.services import Studio, open_studio
from studio.settings import Settings

#: of a text: half a second of a small model on one core
TOKENS = 12


@contextmanager
def studio_with(models: Path, threads: int, **changes: Any) -> Iterator[Studio]:
    """A studio on a fresh folder that finds the models of ``models``, once its worker is ready."""
    with tempfile.TemporaryDirectory(prefix="atelier-sharing-") as place:
        data = data_with(Path(place), models)
        studio = open_studio(Settings(_env_file=None, data=data, threads=threads, device="cpu", **changes))
        studio.start()
        try:
            wait_for(lambda: studio.jobs.status().worker == "ready", 120)
            yield studio
        finally:
            studio.close()


def data_with(place: Path, models: Path) -> Path:
    """``place`` as a data folder that shares its models with that of an earlier run."""
    (place / "models").symlink_to((models / "models").resolve())
    return place


def text(seed: int, tokens: int = TOKENS, model: str = "") -> dict[str, Any]:
    """A request for a text that goes on; no two seeds ask for the same."""
    prompt = PROMPTS[seed % len(PROMPTS)]
    return {"prompt": prompt, "mode": "continue", "max_new_tokens": tokens, "seed": seed, "model": model}


@dataclass(frozen=True)
class Crowd:
    """People at one studio. ``model``: whom they ask; ``pause``: seconds between two texts, on average."""

    studio: Studio
    model: str
    pause: float = 0.0

    def asks(self, people: Mapping[str, int], seconds: float, one_by_one: bool = False) -> dict[str, list[float]]:
        """Seconds of every text, by person; ``people`` says how many each asks for at a time.

        ``one_by_one``: first come, first served, as a queue of jobs does it: a text begins when the last one has ended.
        """

        async def all_of_them() -> dict[str, list[float]]:
            until, door = time.perf_counter() + seconds, asyncio.Lock() if one_by_one else None
            asked = {
                owner: asyncio.gather(*(self._keeps_asking(owner, n, until, door) for n in range(count)))
                for owner, count in people.items()
            }
            return {owner: [took for each in await texts for took in each] for owner, texts in asked.items()}

        return asyncio.run(all_of_them())

    async def _keeps_asking(self, owner: str, number: int, until: float, door: asyncio.Lock | None) -> list[float]:
        chance = random.Random(f"{owner} {number}")
        took: list[float] = []
        while time.perf_counter() < until:
            if self.pause:
                await asyncio.sleep(chance.expovariate(1 / self.pause))
            began = time.perf_counter()
            async with door or nullcontext():
                await self._text(owner, chance.randrange(2**31))
            took.append(time.perf_counter() - began)
        return took

    async def _text(self, owner: str, seed: int) -> None:
        job = await submitted(self.studio, owner, "text", text(seed, model=self.model))
        async for _ in self.studio.jobs.follow(owner, job.id):
            pass
        ended = self.studio.jobs.get(owner, job.id)
        if ended.state != "done":
            raise RuntimeError(f"a text ended as {ended.state}: {ended.error}")


async def submitted(studio: Studio, owner: str, kind: str, values: Mapping[str, Any]) -> Job:
    """Writing the job down takes a moment, in which others may be heard."""
    return await asyncio.to_thread(studio.jobs.submit, owner, kind, values)


def p95(seconds: Sequence[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def wait_for(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Polls until ``true()`` is, and returns what it gave."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.01)
    return found
