"""What the default recipe makes in a minute beside DCGAN, and whether it finds all modes of the ring.

Both recipes train at once, by turns of a second in one process, until each has had its seconds of training; whatever
else the machine does falls on both alike. Distances are those of ``pipelines.training.reference``: small features,
which is not FID.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.data import floats, to_bytes
from pipelines.training.loop import Loop
from pipelines.training.plane import MODES, modes_covered
from pipelines.training.reference import Reference

SAMPLES = 1000
PART = 100  # samples at a time
TURN = 1.0  # second
DATASETS = ("mnist", "fashion-mnist")


@dataclass(frozen=True)
class Rivals:
    """Distances of one seed on one data set, and the classes the default recipe draws."""

    dataset: str
    seed: int
    default: float
    dcgan: float
    floor: float
    classes: int

    @property
    def ratio(self) -> float:
        return self.default / self.dcgan


def trained(requests: Sequence[TrainingRequest], device: Device) -> list[Loop]:
    """A loop for each of ``requests``, at the end of its seconds."""
    loops = [Loop(request, device) for request in requests]
    while any(loop.share < 1 for loop in loops):
        for loop in loops:
            _turn(loop)
    return loops


def _turn(loop: Loop) -> None:
    end = time.perf_counter() + TURN
    while loop.share < 1 and time.perf_counter() < end:
        loop.advance()
        if loop.must_read:
            loop.read()


@torch.no_grad()
def drawn(loop: Loop, count: int) -> Tensor:
    """``count`` pictures of the averaged generator, (count, C, S, S), from noise that no training has seen."""
    noise = loop.recipe.randomness.noise("benchmark", 0, count, loop.recipe.shape.latent)
    return torch.cat([loop.recipe.generator[1](part).float() for part in torch.split(noise, PART)])


def rivals(dataset: str, seed: int, seconds: float, device: Device) -> Rivals:
    """The default recipe and DCGAN as it comes, ``seconds`` each."""
    settings = {"dataset": dataset, "seed": seed, "seconds": seconds}
    requests = [TrainingRequest.parse({**settings, "recipe": recipe}) for recipe in ("r1", "dcgan")]
    loops = trained(requests, device)
    reference = Reference.of(loops[0].data, lambda: None, SAMPLES)
    default, dcgan = (_measured(reference, drawn(loop, SAMPLES)) for loop in loops)
    return Rivals(dataset, seed, default["frechet"], dcgan["frechet"], default["floor"], round(default["classes"]))


def _measured(reference: Reference, pictures: Tensor) -> dict[str, float]:
    rounded = floats(to_bytes(pictures))
    return reference.measure(torch.cat([reference.look(part) for part in torch.split(rounded, PART)]))


def quality(seconds: float, seeds: int, device: Device) -> tuple[float, int]:
    """The worse of the two data sets' median ratio of distances, and the fewest classes in 1,000 samples."""
    found = [rivals(name, seed, seconds, device) for name in DATASETS for seed in range(1, seeds + 1)]
    for one in found:
        print(
            f"{one.dataset} seed {one.seed}: default {one.default:.2f}, DCGAN {one.dcgan:.2f}, "
            f"real against real {one.floor:.2f}; {one.classes} classes",
            flush=True,
        )
    ratios = [statistics.median(one.ratio for one in found if one.dataset == name) for name in DATASETS]
    return max(ratios), min(one.classes for one in found)


def ring_modes(seconds: float, seeds: int, device: Device) -> int:
    """The fewest modes of the ring of eight that the default recipe covers after ``seconds``, over ``seeds``."""
    covered = []
    for seed in range(1, seeds + 1):
        request = TrainingRequest.parse({"dataset": "ring", "seed": seed, "seconds": seconds})
        (loop,) = trained([request], device)
        points = drawn(loop, SAMPLES).flatten(1).cpu().numpy()
        covered.append(modes_covered(points, MODES["ring"]))
        print(f"ring seed {seed}: {covered[-1]} of 8 modes after {loop.step} steps", flush=True)
    return min(covered)
