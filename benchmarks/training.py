"""How much of a training's speed is left when it saves, draws, tells and is followed.

    python -m benchmarks.training [--seconds 30] [--threads 1]

``session_over_bare``: steps per wall second of a whole session (losses read, checkpoints written, grids drawn and
encoded, all events consumed) over those of the bare loop, by turns of a second in the same process, so that what else
the machine does falls on both. ``followed_over_bare``: the same in the studio with a page following (see ``followed``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.followed import followed_and_bare
from pipelines.base import Event, Metrics
from pipelines.devices import Device, pick_device
from pipelines.requests import TrainingRequest
from pipelines.training.__main__ import AloneTurn
from pipelines.training.loop import Loop
from pipelines.training.session import Session

WARM_UP = 10  # steps: the first ones choose kernels and fill caches
TURN = 1.0  # second


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


def session_over_bare(request: TrainingRequest, seconds: float, threads: int) -> tuple[float, float]:
    """Steps per wall second of the bare loop and of a session whose every event is taken, ``seconds`` each.

    The two go on by turns of about a second, so that whatever else the machine does falls on both alike.
    """
    where = device(threads)
    with tempfile.TemporaryDirectory() as folder:
        endless = request.model_copy(update={"seconds": 0.0, "steps": 1_000_000})
        rivals = _bare(Loop(request, where)), _told(Session(endless, AloneTurn(Path(folder)), where).events())
        totals = [[0, 0.0], [0, 0.0]]
        for rival in rivals:
            next(rival)  # warms up
        while totals[1][1] < seconds:
            for rival, total in zip(rivals, totals, strict=True):
                steps, took = next(rival)
                total[0] += steps
                total[1] += took
    return totals[0][0] / totals[0][1], totals[1][0] / totals[1][1]


def _bare(loop: Loop) -> Iterator[tuple[int, float]]:
    """Steps and seconds of one turn after the other."""
    while True:
        began, first = time.perf_counter(), loop.step
        while time.perf_counter() - began < TURN:
            loop.advance()
            if loop.must_read:
                loop.read()
        yield loop.step - first, time.perf_counter() - began


def _told(events: Iterator[Event]) -> Iterator[tuple[int, float]]:
    """The same of a session; a turn ends at the first reading after its time."""
    began, first = time.perf_counter(), 0
    for event in events:
        if isinstance(event, Metrics) and time.perf_counter() - began >= TURN:
            yield event.steps[-1] - first, time.perf_counter() - began
            began, first = time.perf_counter(), event.steps[-1]


def main() -> None:
    """The command line; the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    request = TrainingRequest.parse({"seed": 1})
    alone, session = session_over_bare(request, given.seconds, given.threads)
    followed, bare = followed_and_bare(request, given.seconds, given.threads, Loop(request, device(given.threads)))
    print(
        f"bare {alone:.1f}, session {session:.1f} steps/s; bare {bare:.1f}, in the studio and followed {followed:.1f}"
    )
    figures = {
        "followed_over_bare": round(followed / bare, 3),
        "session_over_bare": round(session / alone, 3),
        "threads": given.threads,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
