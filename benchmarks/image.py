"""Stickers through the studio's picture pipeline beside the sticker pipeline called by hand, on one machine.

    python -m benchmarks.image [--threads 2] [--rounds 7] [--model stickers] [--data DIR]

``sticker_s``: seconds for one sticker at the default steps and guidance through ``ImagePipeline``, as a job runs it,
once the model is in memory: the prompt read, every step reported, previews drawn and the PNG written; the median.
``studio_over_direct``: that over a script of three lines that calls ``StickerPipeline`` and saves the PNG. The two
alternate, and so does who begins, so that whatever else the machine does falls on both; the figure is the median of
the rounds' ratios. ``four_s`` is four stickers at once. ``--data`` keeps the fetched text encoder between runs;
otherwise it is fetched into a temporary folder.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from pipelines.alone import AloneTurn
from pipelines.base import Result
from pipelines.catalog import Catalog
from pipelines.devices import pick_device
from pipelines.image.loading import open_pipeline
from pipelines.image.pipeline import ImagePipeline
from pipelines.requests import ImageRequest
from studio.settings import ASSETS

PROMPT = "a happy blue robot cat"


def seconds_of(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def studios(pipeline: ImagePipeline, settings: dict[str, Any], count: int, seed: int) -> None:
    """What a job does between its first turn and its last."""
    asked = ImageRequest.parse({**settings, "prompt": PROMPT, "count": count, "seed": seed})
    last = list(pipeline.run(asked, AloneTurn(Path())))[-1]
    if not isinstance(last, Result) or len(last.artifacts) != count:
        raise RuntimeError(f"no {count} stickers: {last}")


def direct(pipe: Any, settings: dict[str, Any], seed: int) -> None:
    """What somebody writes who has read the pipeline's docstring."""
    generator = torch.Generator("cpu").manual_seed(seed)
    steps, guidance = int(settings["steps"]), float(settings["guidance"])
    found = pipe(PROMPT, num_inference_steps=steps, guidance_scale=guidance, generator=generator)
    found.images[0].save(io.BytesIO(), "PNG")


def measure(data: Path, model: str, threads: int, rounds: int) -> dict[str, Any]:
    """All figures. ``data`` is a studio's data folder."""
    device = pick_device("cpu", threads)
    torch.set_num_threads(threads)
    catalog = Catalog(ASSETS, data)
    entry = catalog.resolve(model, "image")
    folder = catalog.fetch(entry)
    settings = dict(entry.settings)
    pipeline = ImagePipeline()
    pipeline.parts = catalog.parts(entry)
    pipeline.load(folder, device, lambda *_: None)
    pipe = open_pipeline(folder, device, catalog.parts(entry))
    rivals = (lambda seed: direct(pipe, settings, seed), lambda seed: studios(pipeline, settings, 1, seed))
    for rival in rivals:
        rival(0)
    found = []
    for seed in range(1, rounds + 1):
        order = (0, 1) if seed % 2 else (1, 0)
        taken = {who: seconds_of(lambda who=who, seed=seed: rivals[who](seed)) for who in order}  # type: ignore[misc]
        found.append((taken[0], taken[1]))
        print(f"round {seed}: direct {taken[0]:.3f} s, studio {taken[1]:.3f} s")
    fours = [seconds_of(lambda seed=seed: studios(pipeline, settings, 4, seed)) for seed in range(max(1, rounds // 2))]  # type: ignore[misc]
    return {
        "sticker_s": round(median(ours for _, ours in found), 3),
        "studio_over_direct": round(median(ours / theirs for theirs, ours in found), 3),
        "four_s": round(median(fours), 3),
        "steps": settings["steps"],
        "dtype": device.dtype,
        "threads": threads,
    }


def main() -> None:
    """The command line; the last line is one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.image", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", default="stickers", help="its name in the catalogue, or of a folder that was added")
    parser.add_argument("--data", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(given.data or Path(temporary), given.model, given.threads, given.rounds)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
