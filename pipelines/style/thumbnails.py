"""Paints the thumbnails of the built-in styles: ``python -m pipelines.style.thumbnails [OUT]``.

Each is the middle of an example photo, painted whole by the pipeline itself and made small afterwards, as brush strokes
on a small photo would look too coarse.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps

from pipelines.base import Result, Scalar, Turn
from pipelines.devices import pick_device
from pipelines.pictures import webp
from pipelines.style.examples import PHOTOS
from pipelines.style.pipeline import StylePipeline
from pipelines.style.request import StyleRequest
from pipelines.style.styles import ASSETS, STYLES, THUMBNAILS

SIDE = 256
#: which part of the photo's width is in the middle of the thumbnail
CENTRE = 0.3


class OneFile:
    """A turn with nobody else there and a single file."""

    device_seconds = 0.0
    finishing = called = interrupted = False
    room = 0

    def __init__(self, data: bytes) -> None:
        self.data, self.digest = data, hashlib.sha256(data).hexdigest()
        self.workspace = Path()

    def checkpoint(self) -> None:
        pass

    def saved(self) -> None:
        pass

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        return ()

    @contextmanager
    def aside(self) -> Iterator[None]:
        yield

    def share(self, others: Sequence[Turn]) -> None:
        """Nobody counts the seconds."""

    def end(self) -> None:
        """Nobody waits for the device."""

    def read(self, digest: str) -> bytes:
        if digest != self.digest:
            raise KeyError(digest)
        return self.data


def thumbnail(pipeline: StylePipeline, photo: bytes, style: str) -> bytes:
    """A square WebP of ``SIDE`` pixels."""
    turn = OneFile(photo)
    *_, result = pipeline.run(StyleRequest.parse({"photo": turn.digest, "style": style, "scores": False}), turn)
    if not isinstance(result, Result):
        raise TypeError(f"the last event is {result}, not a result")
    with Image.open(io.BytesIO(result.artifacts[0].data)) as painting:
        square = ImageOps.fit(painting, (SIDE, SIDE), Image.Resampling.LANCZOS, centering=(CENTRE, 0.5))
    return webp(square).data


def main(out: Path) -> None:
    pipeline = StylePipeline()
    pipeline.load(ASSETS / "style", pick_device("cpu"), lambda *_: None)
    photo = PHOTOS[0].path.read_bytes()
    out.mkdir(parents=True, exist_ok=True)
    for style in STYLES:
        (out / f"{style.id}.webp").write_bytes(thumbnail(pipeline, photo, style.id))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else THUMBNAILS)
