"""A training and people who write texts beside it: what they notice of it, what it keeps, and what it has alone.

Knows the crowd and the training loop. The training is paused and resumed by turns, so that whatever else the machine
does falls on both sides alike. Two crowds: one in which somebody always asks, one that leaves pauses; the worse counts.
The device seconds of the training are what the worker says of it once a second, over wall seconds.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch

from benchmarks.crowd import Crowd, p95, studio_with, wait_for
from benchmarks.streams import text_model
from benchmarks.training import bare, told
from pipelines.devices import pick_device
from pipelines.requests import TrainingRequest
from pipelines.training.__main__ import AloneTurn
from pipelines.training.loop import Loop
from pipelines.training.session import Session
from studio.engine.job import Job, Numbered
from studio.services import Studio

PEOPLE = dict.fromkeys(("ann", "bob", "cleo"), 1)
TRAINER = "trainer"
#: seconds between two texts of a person, on average, in the crowd that leaves pauses
PAUSE = 1.5
#: seconds over which training must have its floor, each
WINDOW = 5.0
#: seconds of the training in the studio, of the same by itself and of the bare loop, in turn
ALONE = 4.0


def beside(data: Path, threads: int, rounds: int, seconds: float) -> dict[str, float]:
    """``p95_training_on_over_off``, ``training_floor_kept`` (the least of any window) and ``training_alone``."""
    model = text_model(data)
    with studio_with(data, threads) as studio:
        training = Training(studio)
        alone, over_itself = training.alone(threads, rounds)
        busy, shares = _on_over_off(training, Crowd(studio, model), rounds, seconds)
        calm, _ = _on_over_off(training, Crowd(studio, model, PAUSE), rounds, seconds)
        floor = studio.settings.training_share
    return {
        "p95_training_on_over_off": round(max(busy, calm), 3),
        "p95_on_over_off_with_pauses": round(calm, 3),
        "training_floor_kept": round(min(shares) / floor, 3),
        "training_floor_median": round(median(shares) / floor, 3),
        "training_alone": round(alone, 3),
        "training_alone_over_itself": round(over_itself, 3),
    }


def _on_over_off(training: Training, crowd: Crowd, rounds: int, seconds: float) -> tuple[float, list[float]]:
    """The ratio of 95th percentiles, and the training's share of the device in every window in which it was on."""
    crowd.asks(PEOPLE, 2)  # loads the model; the first company is proven then
    took: dict[str, list[float]] = {"off": [], "on": []}
    shares: list[float] = []
    for number in range(rounds):
        took["off"] += _all(crowd.asks(PEOPLE, seconds))
        with training.running():
            crowd.asks(PEOPLE, 1)
            with training.watched(shares):
                took["on"] += _all(crowd.asks(PEOPLE, seconds))
        words = ", ".join(f"{name} p95 {p95(each):.2f} s of {len(each)}" for name, each in took.items())
        print(f"round {number + 1}, pauses of {crowd.pause} s: {words}; least share {min(shares):.3f}", flush=True)
    return p95(took["on"]) / p95(took["off"]), shares


def _all(took: dict[str, list[float]]) -> list[float]:
    return [one for each in took.values() for one in each]


class Training:
    """An endless one of the default recipe in ``studio``, paused but inside ``running``."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        settings = {"dataset": "fashion-mnist", "seconds": 0, "steps": 1_000_000, "seed": 1}
        self.request = TrainingRequest.parse(settings)
        self.job: Job = studio.jobs.submit(TRAINER, "training", settings)
        wait_for(lambda: any(event.kind == "metrics" for event in self._events(0)))
        self._pause()

    @contextmanager
    def running(self) -> Iterator[None]:
        self._studio.jobs.resume(TRAINER, self.job.id)
        self._until("running")
        yield
        self._pause()

    def _pause(self) -> None:
        self._studio.jobs.pause(TRAINER, self.job.id)
        self._until("paused")

    def _until(self, state: str) -> None:
        wait_for(lambda: self._studio.jobs.get(TRAINER, self.job.id).state == state)

    def _events(self, after: int) -> list[Numbered]:
        return self._studio.jobs.events(TRAINER, self.job.id, after)

    @contextmanager
    def watched(self, shares: list[float]) -> Iterator[None]:
        """Adds the training's share of the device in every window of the block to ``shares``."""
        seen: list[tuple[float, float]] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                spent = self._studio.jobs.get(TRAINER, self.job.id).device_seconds
                if not seen or spent != seen[-1][1]:
                    seen.append((time.perf_counter(), spent))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        shares += _shares(seen[1:])  # the first was not seen when it came

    def alone(self, threads: int, rounds: int) -> tuple[float, float]:
        """Steps per wall second of the training with nobody else in the studio: over those of the bare loop, and over
        those of the same training by itself in this process; all three by turns."""
        device = pick_device("cpu", threads)
        torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory() as place:
            itself = Session(self.request, AloneTurn(Path(place)), device)
            rivals = {"itself": told(itself.events()), "bare": bare(Loop(self.request, device))}
            totals = {name: Total() for name in ("studio", *rivals)}
            for rival in rivals.values():
                next(rival)  # warms up
            for number in range(rounds * 3):
                totals["studio"].add(*self._steps(ALONE))
                for name, rival in rivals.items():
                    end = time.perf_counter() + ALONE
                    while time.perf_counter() < end:
                        totals[name].add(*next(rival))
                words = ", ".join(f"{name} {total.rate:.2f}" for name, total in totals.items())
                if number % 3 == 2:
                    print(f"training alone, steps per second: {words}", flush=True)
        rate = totals["studio"].rate
        return rate / totals["bare"].rate, rate / totals["itself"].rate

    def _steps(self, seconds: float) -> tuple[int, float]:
        """Steps of about so many seconds of running, and how long they took."""
        last = self._events(0)[-1].seq
        with self.running():
            time.sleep(seconds)
        read = [event for event in self._events(last) if event.kind == "metrics"]
        return read[-1].data["steps"][-1] - read[0].data["steps"][-1], read[-1].at - read[0].at


class Total:
    """Steps and the seconds they took, over several turns."""

    def __init__(self) -> None:
        self.steps, self.seconds = 0, 0.0

    def add(self, steps: int, seconds: float) -> None:
        self.steps += steps
        self.seconds += seconds

    @property
    def rate(self) -> float:
        return self.steps / self.seconds


def _shares(seen: list[tuple[float, float]]) -> list[float]:
    """Device seconds per second of every stretch of at least ``WINDOW`` seconds."""
    found = []
    for place, (begin, before) in enumerate(seen):
        later = next(((at, spent) for at, spent in seen[place:] if at - begin >= WINDOW), None)
        if later is not None:
            found.append((later[1] - before) / (later[0] - begin))
    return found
