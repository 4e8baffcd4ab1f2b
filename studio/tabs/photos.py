"""Takes photos in: bytes from a person to a digest in the library, and the small picture the page shows of it.

What is shown is what our own reader sees (turned upright, first frame, on white), so a wrong reading shows at once.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines.pictures import webp
from pipelines.style.clips import is_moving, look, poster
from studio.store.blobs import Blobs

if TYPE_CHECKING:
    from studio.services import Studio

PREVIEW = 1024


def take_moving(studio: Studio, owner: str, data: bytes, name: str = "") -> dict[str, Any]:
    """Keeps a GIF or a short video; the page is shown its first frame. Raises ``StudioError`` as ``look`` does."""
    clip = look(data)
    shown = webp(_small(poster(data)))
    digest = studio.keep_upload(owner, data)
    url = f"data:image/webp;base64,{base64.b64encode(shown.data).decode()}"
    return {
        "digest": digest,
        "url": url,
        "width": clip.width,
        "height": clip.height,
        "name": name[-80:],
        "moving": True,
    }


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


def take_still_or_moving(studio: Studio, owner: str, path: str) -> dict[str, Any]:
    """``take_file``, or ``take_moving`` for a video or a picture of several frames."""
    data, name = Path(path).read_bytes(), Path(path).name
    return (take_moving if is_moving(data) else take_photo)(studio, owner, data, name)


def describe(studio: Studio, owner: str, digest: str) -> dict[str, Any]:
    """What ``take_photo`` said of a file the person gave or made before; a ``StudioError`` where it is not theirs."""
    studio.library.check_owned(owner, [digest])
    return {"digest": digest, "name": "", **_kept(studio.library.blobs, digest)}


@lru_cache(maxsize=64)
def _kept(blobs: Blobs, digest: str) -> dict[str, Any]:
    data = blobs.read(digest)
    preview, width, height = _preview(data)
    return {"url": preview, "width": width, "height": height, **({"moving": True} if is_moving(data) else {})}


def _preview(data: bytes) -> tuple[str, int, int]:
    """A data URI of at most ``PREVIEW`` pixels an edge, and the picture's own size."""
    picture = poster(data)
    width, height = picture.size
    encoded = base64.b64encode(webp(_small(picture)).data).decode()
    return f"data:image/webp;base64,{encoded}", width, height


def _small(picture: Image.Image) -> Image.Image:
    """``picture`` itself, made smaller where it is larger than ``PREVIEW``."""
    picture.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
    return picture
