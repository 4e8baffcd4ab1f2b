"""One device, many people: how well it is shared.

    python -m benchmarks.sharing [--threads 1] [--data DIR] [--only training,hog,streams,stops,pages,quick_pages,kills]

``p95_training_on_over_off``: the 95th percentile of how long people wait for a text while a training runs, over that
while it rests, with a crowd that always asks and one that leaves pauses, the worse of them; ``training_floor_kept``:
the least share of the device that the training had in any five seconds of the former, over its floor;
``training_alone``: its steps per second with nobody there over those of the bare loop, and ``_over_itself`` over those
of the same training outside the studio (see ``beside``).
``hog_p95_ratio``: the same percentile of four people while a fifth asks for eight texts at a time, over that while
everybody asks for one; ``hog_p95_ratio_fifo``: that of first come, first served, in the same rounds (see ``hog``).
``streams8_over_1``: tokens per second of eight texts written together over those of one, each with its own seed and
settings; ``threads8_over_1``: the same of eight threads that call plain ``generate`` on one model, in the same rounds
(see ``streams``). ``stop_p95_ms``: from Stop to the device being free, at random moments, beside ``step_ms``, what a
step of such a job takes; ``stops_touched``: other jobs that noticed (see ``stops``). ``pages_errors``, ``gap_p95_ms``,
``web_growth``: a hundred open pages of which 25 write (see ``pages``), and with ``quick_`` before it with a tiny model
that writes as much as the pages take. ``kill_sentence_s``, ``kill_next_s``: from
kill -9 of the worker to the sentence and to the next text, ``kill_load_s`` of which loads the model (see ``kills``).

All of it on the CPU with the default text model, 135 million parameters, and what is compared in turns within one run.
``--data`` keeps fetched models between runs; otherwise they go into a temporary folder.

A part is a function in ``PARTS`` that takes the command line and the data folder and returns its figures.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from benchmarks.beside import beside
from benchmarks.hog import hog
from benchmarks.kills import kills
from benchmarks.pages import pages
from benchmarks.stops import stops
from benchmarks.streams import streams

Figures: TypeAlias = Mapping[str, float | str]
Part: TypeAlias = Callable[[argparse.Namespace, Path], Figures]


def _named(prefix: str, figures: Figures) -> Figures:
    return {prefix + name: value for name, value in figures.items()}


PARTS: dict[str, Part] = {
    "training": lambda given, data: beside(data, given.threads, given.rounds, given.seconds),
    "hog": lambda given, data: hog(data, given.threads, given.rounds, given.seconds),
    "streams": lambda given, data: streams(data, given.threads, given.tokens, given.rounds),
    "stops": lambda given, data: stops(data, given.threads, given.stops),
    "pages": lambda given, data: pages(data, given.threads, given.minutes),
    "quick_pages": lambda given, data: _named("quick_", pages(data, given.threads, min(3, given.minutes), quick=True)),
    "kills": lambda given, data: kills(data, given.threads, given.rounds),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sharing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="of torch, for everything that computes")
    parser.add_argument("--tokens", type=int, default=64, help="of each text, where texts are written together")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison, and kills")
    parser.add_argument("--seconds", type=float, default=15, help="of each spell of asking")
    parser.add_argument("--stops", type=int, default=200, help="at random moments")
    parser.add_argument("--minutes", type=float, default=10, help="that a hundred pages are open")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, by name and comma")
    return parser.parse_args()


def main() -> None:
    """The last line is one JSON object."""
    given = arguments()
    chosen = [PARTS[name] for name in given.only.split(",")]
    figures: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for part in chosen:
            figures |= part(given, given.data or Path(temporary))
    load = round(os.getloadavg()[2], 1)
    print(json.dumps({**figures, "threads": given.threads, "device": "cpu", "load": load}))


if __name__ == "__main__":
    main()
