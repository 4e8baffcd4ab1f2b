"""The recipe of a made thing, and its place inside the file itself.

Knows PNG text chunks, safetensors headers and what a recipe holds; the file stays readable by everything else.
A recipe is a JSON object: model and its hash, seed, every setting, versions, when.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from PIL import Image, PngImagePlugin

from pipelines.base import Artifact

KEY = "atelier"
_PACKAGES = ("torch", "transformers", "diffusers")


def compose(kind: str, request: Mapping[str, Any], model_hash: str | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe: enough to make the same thing again on another machine with the same versions."""
    return {
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the studio itself, run from a checkout that was not installed
        return "from source"


def embed(artifact: Artifact, recipe: Mapping[str, Any]) -> bytes:
    """``artifact``'s bytes with the recipe inside, for the kinds of file that have a place for it.

    PNG: a text chunk named ``atelier``. safetensors: the ``__metadata__`` of the header. Plain text has no such
    place, so it stays as it is; its recipe is in the library's row.
    """
    if artifact.media_type == "image/png":
        return _into_png(artifact.data, json.dumps(recipe, ensure_ascii=False))
    if artifact.name.endswith(".safetensors"):
        return _into_safetensors(artifact.data, json.dumps(recipe, ensure_ascii=False))
    return artifact.data


def extract(data: bytes) -> dict[str, Any] | None:
    """The recipe inside a PNG or a safetensors file, or None where there is none of ours."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
            text = getattr(picture, "text", {}).get(KEY)
    elif len(data) > 8 and data[8:9] == b"{":
        text = _header(data)[0].get("__metadata__", {}).get(KEY)
    else:
        return None
    found = json.loads(text) if text else None
    return found if isinstance(found, dict) else None


def _into_png(data: bytes, text: str) -> bytes:
    """Puts the chunk behind the header chunk, without decoding a pixel."""
    chunk = PngImagePlugin.PngInfo()
    chunk.add_itxt(KEY, text, zip=True)
    body = b"".join(
        struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", _crc(name + payload))
        for name, payload, *_ in chunk.chunks
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
