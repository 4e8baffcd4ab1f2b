"""One request on its way from a photo to a picture in a style.

Strength: a built-in style is mixed with the photo pixel by pixel, as its network has no style that is "the photo". For
a style taken from a picture, the bottleneck goes from the photo's own to the picture's (Ghiasi et al. 2017); as the
photo's own gives only nearly the photo, the first steps of the scale also fade the painting in. Both give the photo
itself at 0 and go further from it with every step. How pixels are finished is ``finish``'s, whether they fit into
memory ``memory``'s.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from PIL import Image
from torch import Tensor

from pipelines.base import Artifact, Event, Progress, Result, Scalar, Turn
from pipelines.devices import Device
from pipelines.pictures import png
from pipelines.style.arbitrary import STYLE_SIZE, Arbitrary
from pipelines.style.bands import Plane
from pipelines.style.finish import Finish, finished
from pipelines.style.memory import require_room
from pipelines.style.multistyle import STYLES, MultiStyle
from pipelines.style.painter import LEAST, MULTIPLE, Stack, paint
from pipelines.style.photo import Photo, Pixels8, central_square, framed, open_photo
from pipelines.style.request import StyleRequest
from pipelines.style.styles import find_style

T = TypeVar("T")
#: events on the way to a value
Steps: TypeAlias = Generator[Event, None, T]

#: steps of the progress bar for one painting
BAR = 40


@dataclass(frozen=True)
class Networks:
    """Both networks on a device, with the sha256 of the files they came from."""

    multistyle: MultiStyle
    multistyle_sha256: str
    arbitrary: Arbitrary
    arbitrary_sha256: str
    device: Device

    def bytes_held(self) -> int:
        return sum(tensor.nbytes for module in (self.multistyle, self.arbitrary) for tensor in module.parameters())


class Painting:
    """Runs one request. A style picture, where there is one, is the style, whatever built-in one is named beside it."""

    def __init__(self, networks: Networks, request: StyleRequest, turn: Turn) -> None:
        self.networks, self.request, self.turn = networks, request, turn
        self.style = None if request.style_picture is not None else find_style(request.style)

    def events(self) -> Iterator[Event]:
        """Progress, then the result. Raises ``StudioError`` for pictures that cannot be read or do not fit."""
        began = time.monotonic()
        with self.turn.aside():
            photo = open_photo(self.turn.read(self.request.photo))
        self._between()
        picture = photo.original
        if self.request.strength > 0:
            plane = yield from self._painted(photo)
            picture = self._finished(plane, photo)
        yield Progress("saving")
        with self.turn.aside():
            data = png(picture)
        yield self._result(data, photo, time.monotonic() - began)

    def _painted(self, photo: Photo) -> Steps[Plane]:
        """The whole photo through the network, giving way between bands."""
        height, width, _ = photo.pixels.shape
        stack = self._stack(photo)
        require_room(stack, width, height, self.networks.device)
        pixels = self._on_device(framed(photo.pixels, MULTIPLE, LEAST))
        total, done, shown = stack.work(*pixels.shape[:2]), 0, 0
        pieces = paint(stack, pixels)
        yield Progress("painting", 0, BAR, "step")
        while True:
            try:
                done += next(pieces)
            except StopIteration as end:
                plane: Plane = end.value
                return plane
            self._between()
            if BAR * done // total > shown:
                shown = BAR * done // total
                yield Progress("painting", shown, BAR, "step")

    def _stack(self, photo: Photo) -> Stack:
        """The transformer of the style that was asked for."""
        if self.style is not None:
            mix = torch.zeros(STYLES)
            mix[self.style.index] = 1
            return self.networks.multistyle.stack(mix.to(self.networks.device.torch_device))
        digest, strength = self.request.style_picture, self.request.strength
        if digest is None:
            raise RuntimeError("a request has a style or a style picture")
        with self.turn.aside():
            picture = open_photo(self.turn.read(digest))
        style = self._bottleneck(picture.pixels)
        if strength < 1:
            own = self._bottleneck(photo.pixels)
            style = own + strength * (style - own)
        return self.networks.arbitrary.transformer.stack(style)

    def _bottleneck(self, pixels: Pixels8) -> Tensor:
        square = self._on_device(central_square(pixels, STYLE_SIZE))
        picture = square.permute(2, 0, 1)[None].float() / 255
        style: Tensor = self.networks.arbitrary.predictor(picture, self._between)
        return style

    def _finished(self, plane: Plane, photo: Photo) -> Image.Image:
        strength = self.request.strength
        share = strength if self.style is not None else 1 - (1 - strength) ** 3
        return finished(plane, photo, Finish(share, self.request.keep_colors), self._between)

    def _between(self) -> None:
        """Gives way; what was started on a GPU is finished first, as the device is somebody else's after that."""
        if self.networks.device.kind == "cuda":
            torch.cuda.synchronize()
        self.turn.checkpoint()

    def _on_device(self, pixels: Pixels8) -> Tensor:
        return torch.from_numpy(pixels.copy()).to(self.networks.device.torch_device)

    def _result(self, data: bytes, photo: Photo, seconds: float) -> Result:
        height, width, _ = photo.pixels.shape
        networks, style = self.networks, self.style
        title = "Style of a picture" if style is None else style.en
        facts: dict[str, Scalar] = {
            "style": "" if style is None else style.id,
            "style_name": title,
            "strength": self.request.strength,
            "keep_colors": self.request.keep_colors,
            "width": width,
            "height": height,
            "seconds": round(seconds, 3),
            "model_sha256": networks.arbitrary_sha256 if style is None else networks.multistyle_sha256,
        }
        name = "style-of-a-picture.png" if style is None else f"{style.id}.png"
        return Result((Artifact(name, "image/png", data, title, facts),), facts)
