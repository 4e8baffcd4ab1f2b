"""Paints a whole photo, once for all styles that are mixed and once for each that has a region of its own.

Strength: a built-in style is mixed with the photo pixel by pixel, as its network has no style that is "the photo". For
a style taken from a picture, the bottleneck goes from the photo's own to the picture's (Ghiasi et al. 2017); as the
photo's own gives only nearly the photo, the first steps of the scale also fade the painting in. Both give the photo
itself at 0 and go further from it with every step. Built-in styles are mixed by the scales of their normalisations and
pictures by their bottlenecks, as both papers do; one of each by their paintings. How layers become a picture is
``finish``'s.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.base import Event, Preview, Progress, Turn
from pipelines.pictures import webp
from pipelines.style.arbitrary import STYLE_SIZE
from pipelines.style.finish import Layer, pixels_of
from pipelines.style.gatys import Step, optimised
from pipelines.style.lift import lifted, reduced
from pipelines.style.masks import Coverage
from pipelines.style.multistyle import STYLES
from pipelines.style.networks import Networks
from pipelines.style.painter import LEAST, MULTIPLE, Stack, paint
from pipelines.style.photo import Pixels8, central_square, framed, open_photo
from pipelines.style.reckoning import is_frugal, is_lifted, plan, seen_size, within
from pipelines.style.request import Part, StyleRequest
from pipelines.style.styles import find_style

T = TypeVar("T")
#: events on the way to a value
Steps: TypeAlias = Generator[Event, None, T]
#: coverage of the regions that styles have of their own, by number
Regions: TypeAlias = Mapping[int, Coverage]

#: steps of the progress bar for what the networks paint
BAR = 40
#: seconds between two previews of an optimisation
PREVIEW_EVERY = 1.5


@dataclass(frozen=True)
class Pass:
    """One way through a network, with what becomes of its painting (see ``Layer``)."""

    engine: str
    stack: Stack
    share: float
    weight: float
    region: int


@dataclass
class Painters:
    """Paints for one request. ``rates``: device seconds for each million pixels, by engine, as they were measured."""

    networks: Networks
    request: StyleRequest
    turn: Turn
    rates: dict[str, float] = field(default_factory=dict)
    _pictures: dict[str, Pixels8] = field(default_factory=dict)

    def between(self) -> None:
        """Gives way; what was started on a GPU is finished first, as the device is somebody else's after that."""
        if self.networks.device.kind == "cuda":
            torch.cuda.synchronize()
        self.turn.checkpoint()

    # ----------------------------------------------------------------------------------- networks

    def passes(self, pixels: Pixels8) -> list[Pass]:
        """What is to be painted of the photo ``pixels`` by the networks."""
        found = []
        for engine in ("builtin", "picture"):
            mixed = [part for part in self.request.everywhere if (part.picture is not None) == (engine == "picture")]
            if mixed:
                found.append(self._pass(engine, mixed, pixels, 0))
        for part in self.request.parts:
            if part.region:
                engine = "builtin" if part.picture is None else "picture"
                found.append(self._pass(engine, [part], pixels, part.region))
        return found

    def _pass(self, engine: str, parts: Sequence[Part], pixels: Pixels8, region: int) -> Pass:
        weight, strength = sum(part.weight for part in parts), self.request.strength
        if engine == "builtin":
            mix = torch.zeros(STYLES)
            for part in parts:
                mix[find_style(part.style).index] += part.weight / weight
            stack = self.networks.multistyle.stack(mix.to(self.networks.device.torch_device))
            return Pass(engine, stack, strength, weight, region)
        style = sum((part.weight / weight * self._bottleneck(self.picture(part)) for part in parts), torch.zeros(()))
        if strength < 1:
            own = self._bottleneck(pixels)
            style = own + strength * (style - own)
        stack = self.networks.arbitrary.transformer.stack(style)
        return Pass(engine, stack, 1 - (1 - strength) ** 3, weight, region)

    def picture(self, part: Part) -> Pixels8:
        """The picture of a style, read once."""
        if part.picture is None:
            raise ValueError("a built-in style has no picture")
        if part.picture not in self._pictures:
            with self.turn.aside():
                self._pictures[part.picture] = open_photo(self.turn.read(part.picture)).pixels
        return self._pictures[part.picture]

    def _bottleneck(self, pixels: Pixels8) -> Tensor:
        square = self._on_device(central_square(pixels, STYLE_SIZE))
        picture = square.permute(2, 0, 1)[None].float() / 255
        style: Tensor = self.networks.arbitrary.predictor(picture, self.between)
        return style

    def fast(self, pixels: Pixels8, passes: Sequence[Pass], regions: Regions, told: bool = True) -> Steps[list[Layer]]:
        """All ``passes`` over the photo; ``told``: with progress of their own."""
        smaller = {engine: self._small(pixels, engine) for engine in {one.engine for one in passes}}
        frames = {engine: framed(small, MULTIPLE, LEAST) for engine, small in smaller.items()}
        total, done, shown, layers = sum(_work(one, frames[one.engine]) for one in passes), 0, 0, []
        if told:
            yield Progress("painting", 0, BAR, "step")
        for one in passes:
            small, seen = smaller[one.engine], frames[one.engine]
            began, frugal = self.turn.device_seconds, is_frugal(seen.shape[0] * seen.shape[1])
            pieces = paint(one.stack, self._on_device(seen), frugal)
            while True:
                try:
                    done += next(pieces)
                except StopIteration as end:
                    plane = end.value
                    break
                self.between()
                if told and BAR * done // total > shown:
                    shown = BAR * done // total
                    yield Progress("painting", shown, BAR, "step")
            painted = pixels_of(plane, small.shape[1], small.shape[0], self.between)
            self._measured(one.engine, began, seen.shape[0] * seen.shape[1] / 1e6)
            whole = self._whole(one.engine, painted, small, pixels)
            layers.append(Layer(whole, one.share, one.weight, regions.get(one.region)))
        return layers

    def _small(self, pixels: Pixels8, engine: str) -> Pixels8:
        """The photo as the network of ``engine`` sees it."""
        whole = (pixels.shape[1], pixels.shape[0])
        size = seen_size(self.request, engine, *whole)
        return (reduced if is_lifted(self.request, engine, size, whole) else resized)(pixels, size)

    def _whole(self, engine: str, painted: Pixels8, small: Pixels8, pixels: Pixels8) -> Pixels8:
        """``painted``, which shows ``small``, as large as ``pixels``, which ``small`` was made of."""
        height, width, _ = pixels.shape
        if not is_lifted(self.request, engine, (painted.shape[1], painted.shape[0]), (width, height)):
            return resized(painted, (width, height))
        began = self.turn.device_seconds
        whole = lifted(painted, small, pixels, self.between)
        self._measured("lift", began, width * height / 1e6)
        return whole

    # ------------------------------------------------------------------------------- optimisation

    def finest(self, pixels: Pixels8, regions: Regions) -> Steps[list[Layer]]:
        """The photo by optimisation at ``edge`` pixels, brought back to its own size. Ends early when told to."""
        height, width, _ = pixels.shape
        wide, high = (max(8, side // 8 * 8) for side in within(width, height, self.request.edge))
        seen = resized(pixels, (wide, high))
        mixes = [(0, self.request.everywhere), *((part.region, (part,)) for part in self.request.parts if part.region)]
        layers: list[Layer] = []
        for number, (region, parts) in enumerate(mixes):
            best = yield from self._descend(seen, self._shown(parts, seen), number, len(mixes))
            layers.append(
                Layer(self._whole("finest", best, seen, pixels), self.request.strength, 1.0, regions.get(region))
            )
        return layers

    def _shown(self, parts: Sequence[Part], seen: Pixels8) -> list[tuple[float, Pixels8]]:
        """The styles with weights that add up to 1. A built-in one shows itself on the photo."""
        whole = sum(part.weight for part in parts)
        return [(part.weight / whole, self.example(part, seen)) for part in parts]

    def example(self, part: Part, seen: Pixels8) -> Pixels8:
        """A picture in the style of ``part``."""
        if part.picture is not None:
            return self.picture(part)
        mix = torch.zeros(STYLES)
        mix[find_style(part.style).index] = 1
        stack = self.networks.multistyle.stack(mix.to(self.networks.device.torch_device))
        one = Pass("builtin", stack, 1.0, 1.0, 0)
        painting = self.fast(seen, [one], {}, told=False)
        while True:
            try:
                next(painting)
            except StopIteration as end:
                (layer,) = end.value
                pixels: Pixels8 = layer.pixels
                return pixels

    def _descend(self, seen: Pixels8, styles: list[tuple[float, Pixels8]], number: int, count: int) -> Steps[Pixels8]:
        """One optimisation, ``number`` of ``count``."""
        seeing, steps = self.networks.seeing, self.request.steps
        photo = seeing.tensor(seen)
        pictures = [(weight, seeing.tensor(style)) for weight, style in styles]
        yield Progress("painting", number * steps, count * steps, "step")
        began, shown, looked, best = self.turn.device_seconds, time.monotonic(), 0.0, photo
        sizes = [
            rows * columns for rows, columns, times in plan(seen.shape[0], seen.shape[1], steps) for _ in range(times)
        ]
        for step in optimised(seeing.features(), photo, pictures, steps, self.between, self.request.style_size):
            best, looked = step.best, looked + sizes[step.number - 1] / 1e6
            yield Progress("painting", number * steps + step.number, count * steps, "step")
            if time.monotonic() - shown > PREVIEW_EVERY:
                yield self._preview(step, number, count)
                shown = time.monotonic()
            if self.turn.finishing:
                break
        self._measured("finest", began, looked)
        return _bytes_of(best)

    def _preview(self, step: Step, number: int, count: int) -> Preview:
        with self.turn.aside():
            picture = webp(Image.fromarray(_bytes_of(step.best)), 85)
        return Preview(number * step.total + step.number, count * step.total, picture)

    # ------------------------------------------------------------------------------------- helpers

    def _measured(self, engine: str, began: float, millions: float) -> None:
        """Keeps what the last painting took."""
        if millions > 0:
            self.rates[engine] = (self.turn.device_seconds - began) / millions

    def _on_device(self, pixels: Pixels8) -> Tensor:
        return torch.from_numpy(pixels.copy()).to(self.networks.device.torch_device)


def _work(one: Pass, seen: Pixels8) -> int:
    """Multiplications that painting ``seen`` takes."""
    height, width, _ = seen.shape
    return one.stack.work(height, width, is_frugal(height * width))


def _bytes_of(picture: Tensor) -> Pixels8:
    """[1, 3, height, width] in 0..1 -> [height, width, 3] bytes."""
    rows: Pixels8 = np.ascontiguousarray(
        picture[0].permute(1, 2, 0).mul(255).round_().clamp_(0, 255).byte().cpu().numpy()
    )
    return rows


def resized(pixels: Pixels8, size: tuple[int, int]) -> Pixels8:
    """``pixels`` at (width, height)."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
