"""Trains without a page: ``python -m pipelines.training --recipe r1 --data fashion-mnist --seconds 60``.

What comes of it goes to ``--out``, a new folder in ``data/runs`` where none is named. It also holds the checkpoints:
the same command with that ``--out`` goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from pipelines.alone import AloneTurn
from pipelines.base import Event, Mark, Metrics, Result, Sample
from pipelines.devices import pick_device
from pipelines.requests import TrainingRequest
from pipelines.training.datasets import OWN


def report(event: Event, out: Path) -> str | None:
    """Writes what an event brings into ``out``; returns a line for the terminal where it is worth one."""
    match event:
        case Metrics():
            last = "  ".join(f"{name} {values[-1]:.3f}" for name, values in event.series.items())
            return f"step {event.steps[-1]:>6}  {event.seconds[-1]:7.1f} s  {event.rate:6.1f} steps/s  {last}"
        case Sample():
            (out / f"grid-{event.step:06d}.webp").write_bytes(event.picture.data)
        case Mark():
            return f"--- {event.text}"
        case Result():
            for artifact in event.artifacts:
                (out / artifact.name).write_bytes(artifact.data)
            return "  ".join(f"{name}={value}" for name, value in event.facts.items())
    return None


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.training", description="Train without a page.")
    parser.add_argument("--recipe", default="r1")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=-1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting")
    parser.add_argument("--pictures", type=Path, help="a zip of pictures of your own, in place of --data")
    parser.add_argument("--edge", type=int, default=32, help="their size in pixels, 32 or 64")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all cores but one")
    parser.add_argument("--out", type=Path, help="the folder to write to, or to go on from")
    return parser.parse_args()


def main() -> None:
    """Runs it."""
    import torch

    from pipelines.training.pipeline import TrainingPipeline

    given = arguments()
    names = {"recipe": given.recipe, "dataset": given.data, "seconds": given.seconds, "steps": given.steps}
    further = dict(pair.partition("=")[::2] for pair in given.set)
    files: dict[str, bytes] = {}
    if given.pictures is not None:
        data = given.pictures.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        files = {digest: data}
        names |= {"dataset": OWN, "pictures": digest, "name": given.pictures.stem[:80], "edge": given.edge}
    request = TrainingRequest.parse({**names, "seed": given.seed, **further})
    device = pick_device(given.device, given.threads)
    if device.threads:
        torch.set_num_threads(device.threads)
    out = given.out or Path("data", "runs", f"{time.strftime('%Y%m%d-%H%M%S')}-{given.recipe}-{request.dataset}")
    out.mkdir(parents=True, exist_ok=True)
    pipeline = TrainingPipeline()
    pipeline.load(None, device, lambda *_: None)
    print(f"{device.name}: {device.reason}; {device.threads or 'no'} CPU threads; into {out}")  # noqa: T201
    for event in pipeline.run(request, AloneTurn(out, files, room=256_000_000)):
        line = report(event, out)
        if line:
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
