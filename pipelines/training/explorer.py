"""Looks around in what a generator can draw: the plane of two directions, the way between two places, what is near.

Knows a generator's file or a training's snapshot, so it looks into a training that still runs as well. The plane is one
sheet of pictures, so that whoever drags through it waits for nobody.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from pipelines.base import Artifact, Event, Pipeline, Progress, Report, Result, Scalar, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.film import BACKGROUND, there_and_back
from pipelines.pictures import png
from pipelines.requests import ExploreRequest, TrainingRequest
from pipelines.training.checkpoints import BrokenCheckpoint, unpack
from pipelines.training.data import DataSet, load_dataset, own_data, stand_in, to_bytes
from pipelines.training.generator_file import Generator
from pipelines.training.generator_file import unpack as unpack_generator
from pipelines.training.latent_plane import Plane, between, principal_directions, random_directions, raster
from pipelines.training.loop import Loop
from pipelines.training.neighbours import Neighbours, neighbours
from pipelines.training.randomness import Randomness

BATCH = 64
FRAMES = 48  # of a way between two places
FRAME_SECONDS = 1 / 16
LARGE = 256  # pixels of a picture that is looked at


class ExplorePipeline(Pipeline):
    """Draws from the generator whose file the request names."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._held = 0

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Remembers ``device``: the generator comes with each request."""
        if weights is not None:
            raise ValueError(f"exploring takes its weights from the request, and was given {weights}")
        report("loading", 1, 1)
        self._device = device

    def run(self, request: ExploreRequest, turn: Turn) -> Iterator[Event]:
        """``Progress`` in pictures, then a ``Result`` with one artifact: the sheet, the film or the neighbours.

        Raises ``StudioError`` for a file that holds no generator of ours, for points in the plane, and for a class it
        does not know.
        """
        if self._device is None:
            raise RuntimeError("run before load")
        generator, data = opened(turn.read(request.generator), self._device, turn)
        refuse(request, generator)
        self._held = sum(tensor.numel() * tensor.element_size() for tensor in generator.network.state_dict().values())
        try:
            seed = request.seed if request.seed >= 0 else secrets.randbelow(2**32)
            there = Expedition(request, generator, Randomness(seed, self._device.torch_device))
            yield from there.go(turn, data)
        finally:
            self._held = 0

    def unload(self) -> None:
        self._device = None

    def bytes_held(self) -> int:
        return self._held


class Expedition:
    """One request on its way. ``seed`` decides on the centre and, where they are random, on the directions."""

    def __init__(self, request: ExploreRequest, generator: Generator, randomness: Randomness) -> None:
        self.request, self.generator, self.randomness = request, generator, randomness
        latent = generator.shape.latent
        if request.directions == "principal":
            ways = principal_directions(self._pictures, randomness, latent)
        else:
            ways = random_directions(randomness, latent)
        centre = randomness.noise("sample", request.number, 1, latent)[0]
        self.plane = Plane(centre, *ways, request.spread)

    def go(self, turn: Turn, data: Callable[[], DataSet]) -> Iterator[Event]:
        """All events."""
        noise = self._noise()
        batches = []
        for first in range(0, len(noise), BATCH):
            batches.append(to_bytes(self._pictures(noise[first : first + BATCH])))
            yield Progress("generating", min(first + BATCH, len(noise)), len(noise), "picture")
            turn.checkpoint()
        pictures = torch.cat(batches)
        facts: dict[str, Scalar] = {"seed": self.randomness.seed, "size": self.generator.shape.size}
        if self.request.view == "near":
            found = neighbours(pictures[0], data().images.to(pictures.device))
            facts |= {"nearest": round(found.distances[0], 2), "usual": round(found.usual, 2)}
            facts["ratio"] = round(found.ratio, 3)
            made = _beside(pictures[0], data().images, found)
        elif self.request.view == "morph":
            made = ("morph.gif", "image/gif", there_and_back(_large(pictures), FRAME_SECONDS))
        else:
            made = ("plane.png", "image/png", png(_sheet(pictures, self.request.cells)))
        name, kind, file = made
        yield Result((Artifact(name, kind, file, self.request.title(), facts),), facts)

    def _noise(self) -> Tensor:
        """Of every picture that is asked for, (N, latent)."""
        device, asked = self.randomness.device, self.request
        if asked.view == "plane":
            return self.plane.at(raster(asked.cells, device))
        ends = self.plane.at(torch.tensor([[asked.u, asked.v], [asked.to_u, asked.to_v]], device=device))
        return ends[:1] if asked.view == "near" else between(ends[0], ends[1], FRAMES)

    @torch.no_grad()
    def _pictures(self, noise: Tensor) -> Tensor:
        labels = None
        if self.generator.shape.classes:
            labels = torch.full((len(noise),), max(0, self.request.label), device=noise.device)
        pictures: Tensor = self.generator.network(noise, labels)
        return pictures


def opened(file: bytes, device: Device, turn: Turn) -> tuple[Generator, Callable[[], DataSet]]:
    """The generator in ``file``, and what gives the data it learned from. Raises ``StudioError`` for other files."""
    try:
        position, tensors = unpack(file)
    except BrokenCheckpoint:  # so it is a generator's file, or none at all
        generator = unpack_generator(file, device.torch_device)
        settings = json.loads(generator.header.get("settings", "{}"))
        if not settings.get("pictures"):
            return generator, lambda: load_dataset(str(settings.get("dataset", "")))
        return generator, lambda: learned_from(TrainingRequest.model_validate(settings), turn)
    request = TrainingRequest.model_validate(position.request)
    training = Loop(request, device, stand_in(request))
    training.restore(position, tensors)
    network = training.recipe.generator[1].eval()
    return Generator(network, training.recipe.shape, {}), lambda: learned_from(request, turn)


def learned_from(request: TrainingRequest, turn: Turn) -> DataSet:
    """What a training of ``request`` learns from."""
    own = own_data(request, turn.read, turn.checkpoint)
    return load_dataset(request.dataset) if own is None else own


def refuse(request: ExploreRequest, generator: Generator) -> None:
    """Raises ``StudioError`` for what cannot be explored."""
    if generator.shape.plane:
        raise StudioError(
            "explore.points", "This generator makes points, which are all seen at once; there is nothing to explore."
        )
    if request.label >= max(1, generator.shape.classes):
        raise StudioError(
            "sample.class",
            "This generator knows {count} classes, numbered from 0; there is none with the number {number}.",
            count=generator.shape.classes,
            number=request.label,
        )


# --------------------------------------------------------------------------------------------- pictures


def _image(picture: Tensor) -> Image.Image:
    """uint8 (C, S, S) as it is."""
    array = picture.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _large(pictures: Tensor) -> list[Image.Image]:
    factor = max(1, LARGE // pictures.shape[-1])
    size = factor * pictures.shape[-1]
    return [_image(picture).resize((size, size), Image.Resampling.NEAREST) for picture in pictures]


def _sheet(pictures: Tensor, cells: int) -> Image.Image:
    """uint8 (cells * cells, C, S, S) without gaps, so that a place on it is a place in the plane."""
    channels, size = pictures.shape[1:3]
    rows = pictures.view(cells, cells, channels, size, size).permute(2, 0, 3, 1, 4)
    return _image(rows.reshape(channels, cells * size, cells * size))


def _beside(picture: Tensor, images: Tensor, found: Neighbours) -> tuple[str, str, bytes]:
    """The picture, a gap, and its neighbours, nearest first."""
    shown = _large(torch.stack([picture.cpu(), *(images[row].cpu() for row in found.rows)]))
    edge, gap = shown[0].width, shown[0].width // 8
    sheet = Image.new("RGB", (len(shown) * edge + gap, edge), BACKGROUND)
    for place, one in enumerate(shown):
        sheet.paste(one, (place * edge + (gap if place else 0), 0))
    return "near.png", "image/png", png(sheet)
