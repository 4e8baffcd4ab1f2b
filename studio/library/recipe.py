"""The recipe of a made thing, and its place inside the file itself.

Knows PNG text chunks, safetensors headers and what a recipe holds; the file stays readable by everything else.
A recipe is a JSON object: model and its hash, seed, every setting, versions, when. Whose work the model was made of is
said beside it too, in plain words that any viewer of PNG text shows.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from PIL import Image, PngImagePlugin

from pipelines.base import Artifact
from studio.library.recipe_films import from_gif, from_mp4, into_gif, into_mp4

KEY = "atelier"
CREDITS = "Credits"
_PACKAGES = ("torch", "transformers", "diffusers")


def compose(
    kind: str,
    request: Mapping[str, Any],
    model_hash: str | None,
    facts: Mapping[str, Any],
    credited: Sequence[str] = (),
) -> dict[str, Any]:
    """The recipe: enough to make the same thing again on another machine with the same versions.

    ``credited``, a line each: the work of others that the model was made of.
    """
    recipe = {
        "studio": f"atelier {_version('atelier-studio')}",
        "kind": kind,
        "model": request.get("model", ""),
        "model_sha256": model_hash,
        "seed": facts.get("seed", request.get("seed")),
        "settings": dict(request),
        "facts": dict(facts),
        "versions": {name: _version(name) for name in _PACKAGES},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {**recipe, "credits": list(credited)} if credited else recipe


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the studio itself, run from a checkout that was not installed
        return "from source"


def embed(artifact: Artifact, recipe: Mapping[str, Any]) -> bytes:
    """``artifact``'s bytes with the recipe inside, for the kinds of file that have a place for it.

    GIF: a comment. MP4: the comment of its metadata. PNG: a text chunk named ``atelier``, and one named ``Credits``
    where there are any. safetensors: the ``__metadata__`` of the header. Plain text has no such place, so it stays as
    it is; its recipe is in the library's row.
    """
    if artifact.media_type == "image/png":
        return _into_png(artifact.data, {KEY: json.dumps(recipe, ensure_ascii=False), CREDITS: _credited(recipe)})
    if artifact.media_type == "image/gif":
        return into_gif(artifact.data, json.dumps(recipe))
    if artifact.media_type == "video/mp4":
        return into_mp4(artifact.data, json.dumps(recipe))
    if artifact.name.endswith(".safetensors"):
        return _into_safetensors(artifact.data, json.dumps(recipe, ensure_ascii=False))
    return artifact.data


def extract(data: bytes) -> dict[str, Any] | None:
    """The recipe inside a PNG, GIF, MP4 or safetensors file, or None where there is none of ours."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
            text = getattr(picture, "text", {}).get(KEY)
    elif data[:3] == b"GIF":
        text = from_gif(data)
    elif data[4:8] == b"ftyp":
        text = from_mp4(data)
    elif len(data) > 8 and data[8:9] == b"{":
        text = _header(data)[0].get("__metadata__", {}).get(KEY)
    else:
        return None
    found = json.loads(text) if text else None
    return found if isinstance(found, dict) else None


def _credited(recipe: Mapping[str, Any]) -> str:
    lines = recipe.get("credits", ())
    return "\n".join([f"Made with the model {recipe['model']}, which was made of:", *lines]) if lines else ""


def _into_png(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Puts a chunk for each of ``texts`` that says something behind the header chunk, without decoding a pixel."""
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        if text:
            info.add_itxt(name, text, zip=True)
    body = b"".join(
        struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", _crc(name + payload))
        for name, payload, *_ in info.chunks
    )
    after_header = 8 + 25  # signature; IHDR is 13 bytes with 12 around it, and always first
    return data[:after_header] + body + data[after_header:]


def _crc(data: bytes) -> int:
    import zlib

    return zlib.crc32(data)


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), 8 + length


def _into_safetensors(data: bytes, text: str) -> bytes:
    """Rewrites the header only. Its length stays a multiple of 8, so tensors stay aligned for memory mapping."""
    header, end = _header(data)
    header.setdefault("__metadata__", {})[KEY] = text
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + data[end:]
