"""Work for virtual devices: steps that hold the device and sleep, so that two cores are enough for many of them.

Real kinds of job, brought in as a stranger's package would be: by an entry point, which ``installed`` writes. The token
of each step is the time at which it was said, and the process that said it. The long kind is a training: it saves every
few steps and goes on from there, and fails where what it finds is not what it saved. Each makes a small file.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from pipelines.base import ATTEMPT, Artifact, Event, Metrics, Pipeline, Report, Request, Result, Token, Turn
from pipelines.devices import Device
from pipelines.durable import write_durably
from pipelines.registry import register

ROOT = Path(__file__).resolve().parent.parent
#: steps between two checkpoints, and bytes of one and of what is made
SAVE_EVERY = 5
BYTES = 20_000


@register("virtual", pipeline="benchmarks.virtual:Virtual")
class VirtualRequest(Request):
    """``steps`` of ``pause`` seconds each; ``seed`` as every job has one."""

    steps: int = Field(10, ge=1, le=1_000_000)
    pause: float = Field(0.02, ge=0, le=10)
    seed: int = 0


@register("virtual_training", pipeline="benchmarks.virtual:VirtualTraining", interactive=False)
class VirtualTrainingRequest(VirtualRequest):
    """The same as a training."""


class Virtual(Pipeline):
    """Sleeps, and says when it woke."""

    shareable = True

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """There is nothing to load."""

    def unload(self) -> None:
        """Nor to drop."""

    def run(self, request: Any, turn: Turn) -> Iterator[Event]:
        for step in range(request.steps):
            turn.checkpoint()
            time.sleep(request.pause)
            yield Token(f"{time.time():.6f} {os.getpid()} ", step + 1, 0.0)
        yield Result((made(),), {"steps": request.steps})


class VirtualTraining(Virtual):
    """Writes down how far it is, and begins there."""

    def run(self, request: Any, turn: Turn) -> Iterator[Event]:
        saved = turn.workspace / ATTEMPT / "step.json"
        begin = read_step(saved) if saved.is_file() else 0
        for step in range(begin, request.steps):
            turn.checkpoint()
            time.sleep(request.pause)
            if (step + 1) % SAVE_EVERY == 0:
                with turn.aside():
                    write_step(saved, step + 1)
                    turn.saved()
            yield Metrics((step + 1,), (time.time(),), {"from": (float(begin),)}, 0.0)
        yield Result((made(),), {"steps": request.steps, "begun_at": begin})


def made() -> Artifact:
    """A file unlike any other, so that one which was made twice is seen twice."""
    return Artifact("made.txt", "text/plain", os.urandom(BYTES // 2).hex().encode())


def write_step(path: Path, step: int) -> None:
    """A checkpoint that says what it must hold."""
    path.parent.mkdir(exist_ok=True)
    weights = os.urandom(BYTES // 2).hex()
    digest = hashlib.sha256(f"{step}{weights}".encode()).hexdigest()
    write_durably(path, json.dumps({"step": step, "weights": weights, "sha256": digest}).encode())


def read_step(path: Path) -> int:
    """Raises ``ValueError`` where the file is torn."""
    found = json.loads(path.read_bytes())
    if hashlib.sha256(f"{found['step']}{found['weights']}".encode()).hexdigest() != found["sha256"]:
        raise ValueError(f"{path.name} is torn")
    return int(found["step"])


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """For us and for every process that we start, these kinds are there as if a package of them were installed."""
    package = folder / "atelier_virtual-0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: atelier-virtual\nVersion: 0\n")
    (package / "entry_points.txt").write_text("[atelier.requests]\nvirtual = benchmarks.virtual:VirtualRequest\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
