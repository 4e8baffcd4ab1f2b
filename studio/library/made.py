"""Turns a pipeline's artifact into files that are safe on disk, ready to be listed.

Runs in the worker, where the bytes are: only names travel to the web process. Knows blobs, recipes and thumbnails;
does not know the database.
"""

from __future__ import annotations

import builtins
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from pipelines.base import Artifact
from pipelines.looks import looks
from studio.library.credentials import Credentials, Unsigned
from studio.library.recipe import embed
from studio.library.recipe_films import first_frame
from studio.store.blobs import Blobs

log = logging.getLogger(__name__)

THUMBNAIL = 320


@dataclass(frozen=True)
class Made:
    """A finished file: its digest and what the library's row will say."""

    digest: str
    name: str
    title: str
    media_type: str
    bytes: int
    thumbnail: str | None
    thumbnail_bytes: int
    width: int
    height: int
    recipe: Mapping[str, Any] = field(default_factory=dict)
    #: of a picture: what it looks like, float32 (see ``pipelines.looks``)
    looks: builtins.bytes | None = None


def keep(artifact: Artifact, recipe: Mapping[str, Any], blobs: Blobs, credentials: Credentials | None = None) -> Made:
    """Writes the file, its recipe inside, and a thumbnail where it is a picture or a film.

    With ``credentials`` it is signed before it is named by its content; where it cannot be, the library's recipe says
    why under ``unsigned``.
    """
    data = embed(artifact, recipe)
    if credentials is not None:
        try:
            data = credentials.sign(data, artifact.media_type, artifact.title, recipe, str(recipe.get("studio", "")))
        except Unsigned as error:
            log.error("%s is kept unsigned: %s", artifact.name, error)
            recipe = {**recipe, "unsigned": str(error)}
    thumbnail, width, height = _thumbnail(artifact)
    return Made(
        digest=blobs.put(data),
        name=artifact.name,
        title=artifact.title,
        media_type=artifact.media_type,
        bytes=len(data),
        thumbnail=None if thumbnail is None else blobs.put(thumbnail),
        thumbnail_bytes=0 if thumbnail is None else len(thumbnail),
        width=width,
        height=height,
        recipe=recipe,
        looks=None if thumbnail is None else looks(thumbnail).tobytes(),
    )


def _thumbnail(artifact: Artifact) -> tuple[bytes | None, int, int]:
    film = artifact.media_type == "video/mp4"
    if not film and not artifact.media_type.startswith("image/"):
        return None, 0, 0
    with first_frame(artifact.data) if film else Image.open(io.BytesIO(artifact.data)) as picture:
        width, height = picture.size
        small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=4)
    return out.getvalue(), width, height
