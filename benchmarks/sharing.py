"""One device, many people: how well it is shared.

    python -m benchmarks.sharing [--threads 1] [--data DIR] [--only streams]

``streams8_over_1``: tokens per second of eight texts written together over those of one, on the CPU, each with its own
seed and settings; ``threads8_over_1``: the same of eight threads that call plain ``generate`` on one model, in the same
rounds (see ``streams``). ``--data`` keeps fetched models between runs; otherwise they go into a temporary folder.

A part is a function in ``PARTS`` that takes the command line and the data folder and returns its figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from benchmarks.streams import streams

Figures: TypeAlias = Mapping[str, float | str]
Part: TypeAlias = Callable[[argparse.Namespace, Path], Figures]

PARTS: dict[str, Part] = {
    "streams": lambda given, data: streams(data, given.threads, given.tokens, given.rounds),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sharing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="of torch, for everything that computes")
    parser.add_argument("--tokens", type=int, default=64, help="of each text")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison; figures are medians")
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
    print(json.dumps({**figures, "threads": given.threads, "device": "cpu"}))


if __name__ == "__main__":
    main()
