"""Opens studios for tests: services in a temporary folder, and small requests that are quick and real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.engine.job import Job, Numbered
from studio.services import Studio, open_studio
from studio.settings import Settings

OWNER = "ann"


def settings(data: Path, **changes: Any) -> Settings:
    """Settings that ignore this machine's environment files; one thread, so that tests do not crowd each other."""
    return Settings(_env_file=None, data=data, threads=1, **changes)


def open_in(data: Path, engine: str = "inline", **changes: Any) -> Studio:
    studio = open_studio(settings(data, engine=engine, **changes))
    studio.start()
    wait_for(lambda: studio.jobs.status().worker == "ready", 60)
    return studio


def only_host(studio: Studio) -> Any:
    """The host of the one device there is."""
    (device,) = studio.jobs._dispatch._fleet
    return device.host


def small_training(**changes: Any) -> dict[str, Any]:
    """A training of a few hundred milliseconds."""
    return {"dataset": "mnist", "seconds": 0, "steps": 30, "width": 4, "batch": 8, "seed": 1} | changes


def endless_training(**changes: Any) -> dict[str, Any]:
    return small_training(steps=1_000_000) | changes


def wait_for(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Polls until ``true()`` is, and returns what it gave."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)
    return found


def wait_state(studio: Studio, job: Job, *states: str, seconds: float = 60.0) -> Job:
    wait_for(lambda: studio.jobs.get(job.owner, job.id).state in states, seconds)
    return studio.jobs.get(job.owner, job.id)


def follow(studio: Studio, job: Job, after: int = 0, stop: Callable[[Numbered], bool] | None = None) -> list[Numbered]:
    """All events to the job's end, or to the first for which ``stop`` says so."""

    async def collect() -> list[Numbered]:
        seen: list[Numbered] = []
        async for batch in studio.jobs.follow(job.owner, job.id, after):
            for event in batch:
                seen.append(event)
                if stop is not None and stop(event):
                    return seen
        return seen

    return asyncio.run(asyncio.wait_for(collect(), 120))
