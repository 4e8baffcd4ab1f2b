"""How good, how quick and how light a training is.

    python -m benchmarks.training [--seconds 60] [--seeds 3] [--threads 2] [--only quality,speed,page,ring]

``fd_default_over_dcgan``: small-feature Frechet distance of the default recipe over that of DCGAN's defaults in the
same time, the worse of two data sets' medians; ``classes_min``: of ten, the fewest in 1,000 samples of any seed (see
``quality``). ``dcgan_over_tutorial``: steps per second of our DCGAN over the tutorial's loop (see ``tutorial``).
``session_over_bare``: steps per wall second of a whole session (losses read, samples measured, checkpoints written,
grids drawn and encoded, all events consumed) over those of the bare loop, by turns of a second in the same process, so
that what else the machine does falls on both. ``followed_over_bare`` and ``ten_followers_over_bare``: the same in the
studio with a page, or a page and nine more, following (see ``followed``), both sides with as many threads as the studio
takes by itself, which leaves the page a core; ``followed_on_all_cores``: with ``--threads``. ``page_update_ms``: what
an update costs the browser with 20,000 steps of history (see ``curves``). ``ring_modes_min``: see ``quality``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.curves import page_update_ms
from benchmarks.followed import followed_and_bare
from benchmarks.quality import quality, ring_modes
from benchmarks.tutorial import dcgan_over_tutorial
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
        rivals = bare(Loop(request, where)), told(Session(endless, AloneTurn(Path(folder)), where).events())
        totals = [[0, 0.0], [0, 0.0]]
        for rival in rivals:
            next(rival)  # warms up
        while totals[1][1] < seconds:
            for rival, total in zip(rivals, totals, strict=True):
                steps, took = next(rival)
                total[0] += steps
                total[1] += took
    return totals[0][0] / totals[0][1], totals[1][0] / totals[1][1]


def bare(loop: Loop) -> Iterator[tuple[int, float]]:
    """Steps and seconds of one turn after the other."""
    while True:
        began, first = time.perf_counter(), loop.step
        while time.perf_counter() - began < TURN:
            loop.advance()
            if loop.must_read:
                loop.read()
        yield loop.step - first, time.perf_counter() - began


def told(events: Iterator[Event]) -> Iterator[tuple[int, float]]:
    """The same of a session; a turn ends at the first reading after its time."""
    began, first = time.perf_counter(), 0
    for event in events:
        if isinstance(event, Metrics) and time.perf_counter() - began >= TURN:
            yield event.steps[-1] - first, time.perf_counter() - began
            began, first = time.perf_counter(), event.steps[-1]


def speed(seconds: float, threads: int) -> dict[str, float]:
    """What is left of the bare loop's speed, and ours beside the tutorial's."""
    request = TrainingRequest.parse({"seed": 1})
    alone, session = session_over_bare(request, seconds, threads)
    print(f"bare {alone:.1f}, session {session:.1f} steps/s", flush=True)
    figures = {
        "dcgan_over_tutorial": dcgan_over_tutorial("mnist", seconds, device(threads)),
        "session_over_bare": session / alone,
    }
    own = device(0).threads
    for name, followers, count in (
        ("followed_over_bare", 1, own),
        ("ten_followers_over_bare", 10, own),
        ("followed_on_all_cores", 1, threads),
    ):
        loop = Loop(request, device(count))
        followed, bare = followed_and_bare(request, seconds, count, loop, followers=followers)
        words = f"{count} threads: bare {bare:.1f}, in the studio with {followers} following {followed:.1f} steps/s"
        print(words, flush=True)
        figures[name] = followed / bare
    return figures | {"followed_threads": own}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="of training, for each recipe and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speed-seconds", type=float, default=30, help="of each side, where speeds are compared")
    parser.add_argument("--ring-seconds", type=float, default=30)
    parser.add_argument("--ring-seeds", type=int, default=5)
    parser.add_argument("--history", type=int, default=20_000, help="steps the page has when updates are timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="quality,speed,page,ring")
    return parser.parse_args()


def main() -> None:
    """The last line is one JSON object."""
    given = arguments()
    chosen = set(given.only.split(","))
    figures: dict[str, float] = {}
    if "quality" in chosen:
        ratio, classes = quality(given.seconds, given.seeds, device(given.threads))
        figures |= {"fd_default_over_dcgan": ratio, "classes_min": classes}
    if "speed" in chosen:
        figures |= speed(given.speed_seconds, given.threads)
    if "page" in chosen:
        figures["page_update_ms"] = page_update_ms(given.history, given.threads)
    if "ring" in chosen:
        figures["ring_modes_min"] = ring_modes(given.ring_seconds, given.ring_seeds, device(given.threads))
    rounded = {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps({**rounded, "threads": given.threads, "device": device(given.threads).kind}))


if __name__ == "__main__":
    main()
