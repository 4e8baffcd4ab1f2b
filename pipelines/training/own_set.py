"""A zip of a person's pictures as a GAN or a VAE learns them: no captions, cut or fitted into squares of one size.

The zip is read with the same care as the sticker model's (``PictureZip``). Imports no torch: the page looks at a zip
with the code that a training reads it with, so what is shown is what is learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from pipelines.errors import StudioError
from pipelines.sticker.own_pictures import PictureZip
from pipelines.training.idx import Bytes

FEWEST, MOST = 50, 50_000
#: below so many a GAN soon repeats what it saw
ADVISED = 500
EDGES = (32, 64)
Crop: TypeAlias = Literal["centre", "fit"]


@dataclass(frozen=True)
class Look:
    """``count`` pictures in a zip, the first of them as uint8 (N, edge, edge, 3); ``warnings`` say what is amiss."""

    count: int
    shown: Bytes
    warnings: tuple[StudioError, ...]


def look(data: bytes, edge: int, crop: Crop, most: int) -> Look:
    """The first ``most`` pictures of a zip, as they will be learned. Raises ``StudioError`` as a training would.

    Further pictures are not decoded, so that more of them may be left out when they are.
    """
    archive = PictureZip(data)
    names = _names(archive)
    shown: list[Bytes] = []
    for name in names:
        if (picture := archive.opened(name, 4 * edge)) is not None:
            shown.append(squared(picture, edge, crop))
        if len(shown) == most:
            break
    if not shown:
        raise _too_few(0)
    few = (_few(len(names)),) if len(names) < ADVISED else ()
    return Look(len(names), np.stack(shown), (*few, *archive.left_out.sentences()))


def read_pictures(data: bytes, edge: int, crop: Crop, between: Callable[[], None]) -> Bytes:
    """All pictures of a zip, uint8 (N, edge, edge, 3), in its order; calls ``between`` after each.

    Raises ``StudioError`` where it is no zip, or holds too few pictures that can be read, or too many.
    """
    archive = PictureZip(data)
    names = _names(archive)
    found = np.zeros((len(names), edge, edge, 3), np.uint8)
    count = 0
    for name in names:
        if (picture := archive.opened(name, 4 * edge)) is not None:
            found[count] = squared(picture, edge, crop)
            count += 1
        between()
    if count < FEWEST:
        raise _too_few(count)
    return found[:count]


def squared(picture: Image.Image, edge: int, crop: Crop) -> Bytes:
    """An RGBA picture on white, (edge, edge, 3): its centred square, or all of it with white around."""
    scale = edge / (min if crop == "centre" else max)(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    way = Image.Resampling.HAMMING if scale < 1 else Image.Resampling.BICUBIC
    small = picture.convert("RGBa").resize(size, way, reducing_gap=3.0).convert("RGBA")
    page = Image.new("RGBA", (edge, edge), (255, 255, 255, 255))
    layer = Image.new("RGBA", (edge, edge))
    layer.paste(small, ((edge - size[0]) // 2, (edge - size[1]) // 2))
    return np.asarray(Image.alpha_composite(page, layer).convert("RGB"))


def _names(archive: PictureZip) -> tuple[str, ...]:
    names = archive.pictures
    if len(names) < FEWEST:
        raise _too_few(len(names))
    if len(names) > MOST:
        raise StudioError(
            "own.set_many",
            "The zip holds {count} pictures; at most {most} are learned from. Take some out.",
            count=len(names),
            most=MOST,
        )
    return names


def _too_few(count: int) -> StudioError:
    return StudioError(
        "own.set_few",
        "The zip holds {count} pictures that can be read (PNG, JPEG, WebP or GIF); at least {least} are needed.",
        count=count,
        least=FEWEST,
    )


def _few(count: int) -> StudioError:
    """Said, not raised."""
    return StudioError(
        "own.set_warning",
        "{count} pictures are few: from {advised} on a network learns kinds of things, with fewer it soon repeats what "
        "it saw. They are shifted, cut and recoloured for the discriminator, which helps.",
        count=count,
        advised=ADVISED,
    )
