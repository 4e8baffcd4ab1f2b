"""One request on its way from a photo to a picture in a style, scored. Who paints is ``painters``; what becomes of it
is ``finish``'s, whether it fits into memory ``memory``'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pipelines.base import Artifact, Event, Progress, Result, Scalar, Turn
from pipelines.pictures import open_picture, png
from pipelines.style.finish import Composition, Finish, Layer
from pipelines.style.masks import Mask
from pipelines.style.memory import require_room
from pipelines.style.networks import Networks
from pipelines.style.painters import Painters, Steps
from pipelines.style.photo import Photo, Pixels8, open_photo
from pipelines.style.request import Part, StyleRequest
from pipelines.style.seeing import Scores
from pipelines.style.styles import find_style


class Painting:
    """Runs one request. A style picture, where there is one, is the style, whatever built-in one is named beside it."""

    def __init__(self, networks: Networks, request: StyleRequest, turn: Turn) -> None:
        self.networks, self.request, self.turn = networks, request, turn
        self.painters = Painters(networks, request, turn)
        self.mask: Mask | None = None

    def events(self) -> Iterator[Event]:
        """Progress, then the result. Raises ``StudioError`` for pictures that cannot be read or do not fit."""
        began = time.monotonic()
        with self.turn.aside():
            photo = open_photo(self.turn.read(self.request.photo))
            self._read_mask(photo)
        self.painters.between()
        picture, scored = photo.original, dict[str, Scalar]()
        if self.request.strength > 0:
            require_room(self.request, *picture.size, self.networks.device)
            layers = yield from self._layers(photo)
            picture = Composition(photo, layers, self._finish(), self.painters.between).picture()
            if self.request.scores:
                scored = yield from self._scored(photo, layers, picture)
        yield Progress("saving")
        with self.turn.aside():
            data = png(picture)
        yield self._result(data, photo, time.monotonic() - began, scored)

    def _read_mask(self, photo: Photo) -> None:
        request = self.request
        if request.mask is not None:
            data = self.turn.read(request.mask)
            self.mask = Mask(data, photo.original.size, request.mask_soft, request.mask_inverse)

    def _layers(self, photo: Photo) -> Steps[list[Layer]]:
        """What is painted, before it is mixed."""
        wanted = {part.region for part in self.request.parts if part.region}
        regions = {} if self.mask is None else {number: self.mask.region(number) for number in wanted}
        if self.request.engine == "finest":
            return (yield from self.painters.finest(photo.pixels, regions))
        passes = self.painters.passes(photo.pixels)
        return (yield from self.painters.fast(photo.pixels, passes, regions))

    def _finish(self) -> Finish:
        """Where styles have regions, the first one paints everywhere else, and the mask is theirs."""
        regions = any(part.region for part in self.request.parts)
        mask = None if self.mask is None or regions else self.mask.whole()
        return Finish(self.request.palette, self.request.detail, mask)

    # -------------------------------------------------------------------------------------- scores

    def _scored(self, photo: Photo, layers: Sequence[Layer], picture: Image.Image) -> Steps[dict[str, Scalar]]:
        """Content kept and style taken, of the result and of other strengths."""
        yield Progress("scoring")
        styles = [(part.weight, self._example(part)) for part in (*self.request.everywhere, *self._in_regions())]
        scores = Scores(self.networks.seeing, photo.pixels, styles, self.painters.between)
        whole = Composition(
            photo,
            [Layer(one.pixels, 1.0, one.weight, one.where) for one in layers],
            self._finish(),
            self.painters.between,
        )
        kept, taken = scores.of(np.asarray(picture.convert("RGB")))
        curve = scores.among(np.asarray(whole.picture().convert("RGB")))
        return {"content_kept": kept, "style_taken": taken, "among_strengths": curve}

    def _in_regions(self) -> tuple[Part, ...]:
        return tuple(part for part in self.request.parts if part.region)

    def _example(self, part: Part) -> Pixels8:
        """A picture in the style: itself, or what the built-in style's thumbnail shows."""
        if part.picture is not None:
            return self.painters.picture(part)
        return np.asarray(open_picture(find_style(part.style).thumbnail.read_bytes()))

    # -------------------------------------------------------------------------------------- result

    def _result(self, data: bytes, photo: Photo, seconds: float, scored: dict[str, Scalar]) -> Result:
        height, width, _ = photo.pixels.shape
        networks, request = self.networks, self.request
        picture = request.style_picture is not None
        facts: dict[str, Scalar] = {
            "style": "" if picture else request.style,
            "style_name": title_of(request),
            "strength": request.strength,
            "keep_colors": request.palette == "photo",
            "engine": request.engine,
            "width": width,
            "height": height,
            "seconds": round(seconds, 3),
            "model_sha256": networks.arbitrary_sha256 if picture else networks.multistyle_sha256,
            **scored,
            "number_bytes": networks.device.torch_dtype.itemsize,
            **{f"rate_{engine}": round(rate, 4) for engine, rate in self.painters.rates.items()},
        }
        name = "style-of-a-picture.png" if picture else f"{request.style}.png"
        return Result((Artifact(name, "image/png", data, title_of(request), facts),), facts)


def title_of(request: StyleRequest) -> str:
    """The styles in English, the first one first."""
    named = (*request.everywhere, *(part for part in request.parts if part.region))
    return " + ".join("Style of a picture" if part.picture else find_style(part.style).en for part in named)
