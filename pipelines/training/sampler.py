"""New pictures from a generator that was trained here. Knows the generator's file and noise, not how it was trained."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from pipelines.base import Artifact, Event, Pipeline, Progress, Report, Result, Scalar, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.pictures import png
from pipelines.requests import SampleRequest
from pipelines.training.data import to_bytes
from pipelines.training.generator_file import Generator, unpack
from pipelines.training.randomness import Randomness
from pipelines.training.showing import PlaneShowing, Showing

#: up to so many, each picture also comes as a file of its own; beyond that the grid is what one wants
SINGLES = 16
BATCH = 32
SINGLE_EDGE = 256


class SamplePipeline(Pipeline):
    """Draws from the generator whose file the request names."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._held = 0

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Remembers ``device``: the generator comes with each request."""
        if weights is not None:
            raise ValueError(f"sampling takes its weights from the request, and was given {weights}")
        report("loading", 1, 1)
        self._device = device

    def run(self, request: SampleRequest, turn: Turn) -> Iterator[Event]:
        """``Progress`` in pictures, then a ``Result``: the grid, and each picture alone where there are few.

        The same seed and picture number give the same picture, whatever the count. Raises ``StudioError`` for a file
        that is not a generator of ours, and for a class it does not know.
        """
        if self._device is None:
            raise RuntimeError("run before load")
        seed = request.seed if request.seed >= 0 else secrets.randbelow(2**32)
        place = self._device.torch_device
        generator = unpack(turn.read(request.generator), place)
        _refuse_label(request.label, generator.shape.classes)
        self._held = sum(tensor.numel() * tensor.element_size() for tensor in generator.network.state_dict().values())
        try:
            batches = []
            for first in range(0, request.count, BATCH):
                batches.append(_draw(generator, Randomness(seed, place), first, request))
                yield Progress("generating", min(first + BATCH, request.count), request.count, "picture")
                turn.checkpoint()
        finally:
            self._held = 0
        with turn.aside():
            result = _result(request, seed, torch.cat(batches), generator)
        yield result

    def unload(self) -> None:
        self._device = None

    def bytes_held(self) -> int:
        return self._held


@torch.no_grad()
def _draw(generator: Generator, randomness: Randomness, first: int, request: SampleRequest) -> torch.Tensor:
    """Pictures uint8 (B, S, S, C) from number ``first`` on, or points (B, 2, 1, 1); truncation scales the noise."""
    numbers = range(first, min(first + BATCH, request.count))
    noise = torch.cat([randomness.noise("sample", number, 1, generator.shape.latent) for number in numbers])
    labels = _labels(request.label, generator.shape.classes, numbers)
    pictures = generator.network(noise * request.truncation, None if labels is None else labels.to(noise.device))
    return pictures.cpu() if generator.shape.plane else to_bytes(pictures).permute(0, 2, 3, 1).cpu()


def _labels(label: int, classes: int, numbers: range) -> torch.Tensor | None:
    """The classes of the pictures ``numbers``: ``label``, or where that is -1 all ``classes`` in turn."""
    if not classes:
        return None
    return torch.tensor([number % classes if label < 0 else label for number in numbers])


def _refuse_label(label: int, classes: int) -> None:
    if label >= 0 and not classes:
        raise StudioError(
            "sample.classless", "This generator was trained without classes and cannot draw a given one; leave it open."
        )
    if label >= classes > 0:
        raise StudioError(
            "sample.class",
            "This generator knows {count} classes, numbered from 0; there is none with the number {number}.",
            count=classes,
            number=label,
        )


def _result(request: SampleRequest, seed: int, pictures: torch.Tensor, generator: Generator) -> Result:
    facts: dict[str, Scalar] = {"seed": seed, "truncation": request.truncation, "generator": request.generator}
    if generator.shape.classes:
        facts["label"] = request.label
    for name in ("recipe", "dataset", "steps", "data_credit"):
        if name in generator.header:
            facts[name] = generator.header[name]
    plane = generator.shape.plane
    shown = (PlaneShowing if plane else Showing)(pictures, math.ceil(math.sqrt(request.count)))
    made = [Artifact("samples.png", "image/png", png(shown.drawn()), request.title(), facts)]
    if 1 < request.count <= SINGLES and not plane:
        made += [_single(number, picture, facts) for number, picture in enumerate(pictures)]
    return Result(tuple(made), facts)


def _single(number: int, picture: torch.Tensor, facts: dict[str, Scalar]) -> Artifact:
    """One picture (S, S, C), enlarged by a whole factor so that it can be looked at."""
    array = picture.numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    factor = max(1, SINGLE_EDGE // image.width)
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return Artifact(f"sample-{number + 1:02d}.png", "image/png", png(image), f"sample {number + 1}", facts)
