"""How soon the device is free after Stop, at random moments, while others are at work; and that nobody else notices.

Knows the services. What is stopped is a training or a text, in turn, of somebody who has another training running;
somebody else writes texts with pauses between them, in which trainings have the device. The time ends with the moment
in which the stop is written down, which is a little after the device was free. Untouched means: the training beside
goes on in its first attempt and ends as it is told to, and every text beside is, word for word, the one that its seed
gave before anybody was stopped.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.crowd import p95, studio_with, submitted, text, wait_for
from benchmarks.streams import text_model
from studio.engine.job import ENDED, Job
from studio.services import Studio

OWNER, WRITER = "ann", "bob"
#: seconds between two texts of who writes beside
PAUSE = 1.0
#: seconds after the beginning within which a stop comes: loading, first pictures and saving are among them
SPAN = 2.0
TEXTS = 4  # that are written beside, again and again
KINDS = ("training", "text")
TRAINING = {"dataset": "fashion-mnist", "seconds": 0, "steps": 1_000_000, "seed": 1}


def stops(data: Path, threads: int, count: int) -> dict[str, float]:
    """``stop_p95_ms`` and ``step_ms`` of the kind of job that has the least to spare, and how many were touched."""
    model = text_model(data)
    with studio_with(data, threads) as studio:
        return asyncio.run(_Stops(studio, model).figures(count))


class _Stops:
    def __init__(self, studio: Studio, model: str) -> None:
        self.studio, self.model = studio, model
        self.requests: Mapping[str, Mapping[str, Any]] = {
            "training": TRAINING,
            "text": text(10**6, 2000, model),
        }
        self.touched = self.beside = 0

    async def figures(self, count: int) -> dict[str, float]:
        expected = [await self._written(seed) for seed in range(TEXTS)]
        training = await submitted(self.studio, OWNER, "training", TRAINING)
        reading = asyncio.create_task(self._writes_on(expected))
        before = {kind: await self._step(kind) for kind in KINDS}
        took: dict[str, list[float]] = {kind: [] for kind in KINDS}
        chance = random.Random(1)
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            took[kind].append(await self._stopped(kind, chance.uniform(0, SPAN)))
        steps = {kind: (before[kind] + await self._step(kind)) / 2 for kind in KINDS}
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        self.touched += await asyncio.to_thread(self._was_touched, training)
        for kind in KINDS:
            words = f"median {statistics.median(took[kind]) * 1000:.0f}, p95 {p95(took[kind]) * 1000:.0f}"
            print(f"{len(took[kind])} stops of a {kind}: {words} ms; a step takes {steps[kind] * 1000:.0f} ms")
        print(f"{self.beside} texts beside, {self.touched} jobs touched", flush=True)
        worst = max(KINDS, key=lambda kind: p95(took[kind]) - steps[kind])
        return {
            "stop_p95_ms": round(p95(took[worst]) * 1000, 1),
            "step_ms": round(steps[worst] * 1000, 1),
            "stops": count,
            "stops_touched": self.touched,
        }

    async def _stopped(self, kind: str, after: float) -> float:
        """Seconds from the stop of a job that has run for ``after`` seconds to its end."""
        job = await submitted(self.studio, OWNER, kind, self.requests[kind])
        asked = 0.0
        async for batch in self.studio.jobs.follow(OWNER, job.id):
            states = {event.data["state"]: event.at for event in batch if event.kind == "state"}
            if ended := ENDED & states.keys():
                if ended != {"cancelled"}:
                    raise RuntimeError(f"what was stopped ended as {ended}")
                return states["cancelled"] - asked
            if "running" in states:
                await asyncio.sleep(max(0.0, states["running"] + after - time.time()))
                asked = time.time()
                await asyncio.to_thread(self.studio.jobs.cancel, OWNER, job.id)
        raise RuntimeError("the job was never heard of again")

    # ---------------------------------------------------------------------------------- who is beside

    async def _writes_on(self, expected: list[str]) -> None:
        for number in itertools.count():
            seed = number % TEXTS
            self.touched += await self._written(seed) != expected[seed]
            self.beside += 1
            await asyncio.sleep(PAUSE)

    async def _written(self, seed: int) -> str:
        job = await submitted(self.studio, WRITER, "text", text(seed, 16, self.model))
        words = ""
        async for batch in self.studio.jobs.follow(WRITER, job.id):
            words += "".join(event.data["text"] for event in batch if event.kind == "token")
        return words + "|" + self.studio.jobs.get(WRITER, job.id).state

    def _was_touched(self, training: Job) -> bool:
        """Whether the training beside is anything but at work, or does not end as it should."""
        before = self.studio.jobs.get(OWNER, training.id)
        self.studio.jobs.finish(OWNER, training.id)
        wait_for(lambda: not self.studio.jobs.get(OWNER, training.id).live)
        after = self.studio.jobs.get(OWNER, training.id)
        return (before.state, after.state, after.attempt) != ("running", "done", 1)

    async def _step(self, kind: str) -> float:
        """Seconds between two checkpoints of a job of this kind while it has the device, in the company there is."""
        job = await submitted(self.studio, OWNER, kind, {**self.requests[kind], **_SHORT[kind]})
        rates = []
        async for batch in self.studio.jobs.follow(OWNER, job.id):
            rates += [event.data["rate"] for event in batch if event.kind in ("metrics", "token")]
        return 1 / statistics.median(rates)


_SHORT: Mapping[str, Mapping[str, Any]] = {"training": {"seconds": 2}, "text": {"max_new_tokens": 60}}
