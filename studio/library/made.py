"""Turns a pipeline's artifact into files that are safe on disk, ready to be listed.

Runs in the worker, where the bytes are: only names travel to the web process. Knows blobs, recipes and thumbnails;
does not know the database.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from pipelines.base import Artifact
from studio.library.recipe import embed
from studio.store.blobs import Blobs

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

    def json(self) -> dict[str, Any]:
        return asdict(self)


def keep(artifact: Artifact, recipe: Mapping[str, Any], blobs: Blobs) -> Made:
    """Writes the file, its recipe inside, and a thumbnail where it is a picture."""
    data = embed(artifact, recipe)
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
    )


def _thumbnail(artifact: Artifact) -> tuple[bytes | None, int, int]:
    if not artifact.media_type.startswith("image/"):
        return None, 0, 0
    with Image.open(io.BytesIO(artifact.data)) as picture:
        width, height = picture.size
        small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=4)
    return out.getvalue(), width, height
