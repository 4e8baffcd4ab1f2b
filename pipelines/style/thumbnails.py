"""Paints the thumbnails of the built-in styles: ``python -m pipelines.style.thumbnails [OUT]``.

Each is the middle of an example photo, painted whole by the pipeline itself and made small afterwards, as brush strokes
on a small photo would look too coarse.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

from PIL import Image, ImageOps

from pipelines.alone import AloneTurn
from pipelines.base import Result
from pipelines.devices import pick_device
from pipelines.pictures import webp
from pipelines.style.examples import PHOTOS
from pipelines.style.pipeline import StylePipeline
from pipelines.style.request import StyleRequest
from pipelines.style.styles import ASSETS, STYLES, THUMBNAILS

SIDE = 256
#: which part of the photo's width is in the middle of the thumbnail
CENTRE = 0.3


def thumbnail(pipeline: StylePipeline, photo: bytes, style: str) -> bytes:
    """A square WebP of ``SIDE`` pixels."""
    digest = hashlib.sha256(photo).hexdigest()
    request = StyleRequest.parse({"photo": digest, "style": style, "scores": False})
    *_, result = pipeline.run(request, AloneTurn(Path(), {digest: photo}))
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
