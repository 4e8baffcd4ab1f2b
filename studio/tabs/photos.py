"""Takes photos in: bytes from a person to a digest in the library, and the small picture the page shows of it.

What is shown is what our own reader sees (turned upright, first frame, on white), so a wrong reading shows at once.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines.pictures import open_picture, webp
from studio.store.blobs import Blobs

if TYPE_CHECKING:
    from studio.services import Studio

PREVIEW = 1024


def take_photo(studio: Studio, owner: str, data: bytes, name: str = "") -> dict[str, Any]:
    """Keeps a picture and describes it for the page. Raises ``StudioError`` for what cannot be read.

    Decodes, so call it in a thread.
    """
    preview, width, height = _preview(data)
    digest = studio.keep_upload(owner, data)
    return {"digest": digest, "url": preview, "width": width, "height": height, "name": name[-80:]}


def take_file(studio: Studio, owner: str, path: str) -> dict[str, Any]:
    """``take_photo`` of a file that gradio has put into its cache and checked to lie there."""
    return take_photo(studio, owner, Path(path).read_bytes(), Path(path).name)


def describe(studio: Studio, owner: str, digest: str) -> dict[str, Any]:
    """What ``take_photo`` said of a file the person gave or made before; a ``StudioError`` where it is not theirs."""
    studio.library.check_owned(owner, [digest])
    return {"digest": digest, "name": "", **_kept(studio.library.blobs, digest)}


@lru_cache(maxsize=64)
def _kept(blobs: Blobs, digest: str) -> dict[str, Any]:
    preview, width, height = _preview(blobs.read(digest))
    return {"url": preview, "width": width, "height": height}


def _preview(data: bytes) -> tuple[str, int, int]:
    """A data URI of at most ``PREVIEW`` pixels an edge, and the picture's own size."""
    picture = open_picture(data)
    width, height = picture.size
    picture.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
    encoded = base64.b64encode(webp(picture).data).decode()
    return f"data:image/webp;base64,{encoded}", width, height
