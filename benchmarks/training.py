"""How much of a training's speed is left when it saves, draws, tells and is followed.

    python -m benchmarks.training [--seconds 10] [--rounds 3] [--threads 1]

``session_over_bare``: steps per wall second of a whole session (losses read, checkpoints written, grids drawn and
encoded, all events consumed) over those of the bare loop, in turns on the same machine, so that what else runs there
falls on both. ``followed_over_bare`` adds the studio with a page following.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from pipelines.base import Metrics
from pipelines.devices import Device, pick_device
from pipelines.requests import TrainingRequest
from pipelines.training.__main__ import AloneTurn
from pipelines.training.loop import Loop
from pipelines.training.session import Session

WARM_UP = 10  # steps: the first ones choose kernels and fill caches


def device(threads: int) -> Device:
    """The machine's device, with ``threads`` on a CPU."""
    found = pick_device(threads=threads)
    if found.threads:
        torch.set_num_threads(found.threads)
    return found


def bare_steps_per_second(request: TrainingRequest, seconds: float, threads: int) -> float:
    """Steps per wall second of the loop alone: nothing is saved, drawn or told."""
    loop = Loop(request, device(threads))
    for _ in range(WARM_UP):
        loop.advance()
    loop.read()
    began, first = time.perf_counter(), loop.step
    while time.perf_counter() - began < seconds:
        loop.advance()
        if loop.must_read:
            loop.read()
    loop.read()
    return (loop.step - first) / (time.perf_counter() - began)


def session_steps_per_second(request: TrainingRequest, seconds: float, threads: int) -> float:
    """The same, of a session whose every event is taken, from the first reading after the warm-up to the last."""
    endless = request.model_copy(update={"seconds": 0.0, "steps": 1_000_000})
    points: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for event in Session(endless, AloneTurn(Path(folder)), device(threads)).events():
            if isinstance(event, Metrics) and event.steps[-1] >= WARM_UP:
                points.append((event.steps[-1], time.perf_counter()))
                if points[-1][1] - points[0][1] >= seconds:
                    break
    return (points[-1][0] - points[0][0]) / (points[-1][1] - points[0][1])


def main() -> None:
    """The command line; the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    request = TrainingRequest.parse({"seed": 1})
    bare, session = [], []
    for _ in range(given.rounds):
        bare.append(bare_steps_per_second(request, given.seconds, given.threads))
        session.append(session_steps_per_second(request, given.seconds, given.threads))
        print(f"bare {bare[-1]:.1f} steps/s, session {session[-1]:.1f} steps/s", flush=True)
    ratios = [told / alone for told, alone in zip(session, bare, strict=True)]
    print(json.dumps({"session_over_bare": round(statistics.median(ratios), 3), "threads": given.threads}))


if __name__ == "__main__":
    main()
