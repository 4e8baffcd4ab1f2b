"""Four people who want a sticker at the same moment: in one call, beside taking turns step by step.

    python -m benchmarks.company [--threads 1] [--rounds 3] [--data DIR]

``four_over_turns``: seconds until the last of four has a sticker, from a model that takes several into a call, over the
same where each has a call of its own; both under the engine's lease, alternating, the median of the rounds' ratios.
``same``: the least share of pixels, of all stickers, that are within 1/255 of those made alone. ``--data`` keeps the
fetched text encoder between runs; otherwise it is fetched into a temporary folder.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import threading
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.image import seconds_of
from pipelines.base import Result
from pipelines.catalog import Catalog
from pipelines.devices import pick_device
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import ImageRequest
from studio.engine.turn import EngineTurn
from studio.engine.turns import Lease
from studio.settings import ASSETS
from studio.store.blobs import Blobs
from studio.store.workspaces import Workspace

PROMPTS = ("a happy blue robot cat", "a red rose", "a small house in a green garden", "a rocket")


class People:
    """Whoever asks of one model at the same moment, each in a thread, as the engine runs them."""

    def __init__(self, pipeline: ImagePipeline, settings: dict[str, Any], place: Path) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._place = place
        self._lease = Lease()
        self.made: dict[int, Any] = {}

    def paint(self, *people: int) -> None:
        """A sticker for each; returns when all have theirs."""
        threads = [threading.Thread(target=self._one, args=(who,)) for who in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, who: int) -> None:
        asked = ImageRequest.parse({**self._settings, "prompt": PROMPTS[who], "seed": who, "count": 1})
        hold = self._lease.enter(f"job {who}", f"person {who}", True)
        turn = EngineTurn(self._lease, hold, Workspace(self._place / str(who)), Blobs(self._place / "blobs"), 0)
        try:
            turn.begin()
            last = list(self._pipeline.run(asked, turn))[-1]
        finally:
            self._lease.leave(hold)
        if isinstance(last, Result):
            self.made[who] = np.asarray(Image.open(io.BytesIO(last.artifacts[0].data)), np.int16)


def measure(data: Path, threads: int, rounds: int, place: Path) -> dict[str, Any]:
    """All figures. ``data`` is a studio's data folder, ``place`` one for the jobs."""
    device = pick_device("cpu", threads)
    torch.set_num_threads(threads)
    catalog = Catalog(ASSETS, data)
    entry = catalog.resolve("stickers", "image")
    pipeline = ImagePipeline()
    pipeline.parts = catalog.parts(entry)
    pipeline.load(catalog.fetch(entry), device, lambda *_: None)
    people, everybody, several = People(pipeline, dict(entry.settings), place), range(len(PROMPTS)), pipeline.together
    for who in everybody:
        people.paint(who)
    alone, ratios, same = dict(people.made), [], []
    pipeline.together = several
    people.paint(*everybody)  # what is looked at once for each model is looked at now
    for number in range(rounds):
        taken = {}
        for together in (several, 1) if number % 2 else (1, several):
            pipeline.together = together
            taken[together] = seconds_of(lambda: people.paint(*everybody))
            same += [float((np.abs(people.made[who] - alone[who]).max(-1) <= 1).mean()) for who in everybody]
        ratios.append(taken[several] / taken[1])
        print(f"round {number + 1}: together {taken[several]:.2f} s, in turns {taken[1]:.2f} s")
    return {"four_over_turns": round(median(ratios), 3), "same": min(same), "dtype": device.dtype, "threads": threads}


def main() -> None:
    """The command line; the last line is one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.company", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(given.data or Path(temporary), given.threads, given.rounds, Path(temporary) / "jobs")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
