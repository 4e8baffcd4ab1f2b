"""What made a file: everything a file of anybody's says of itself, told in sentences, and nothing of it believed.

Knows our recipes, content credentials, what AUTOMATIC1111 and ComfyUI write, and the header of safetensors. Reads, and
neither decodes a picture nor keeps anything. What is said is data: words and numbers, bounded in length.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, UnidentifiedImageError

from pipelines.errors import StudioError
from pipelines.parameters import Parameters, parameters_of, texts_of
from studio.library.credentials import SIGNED, Credentials, Manifest
from studio.library.recipe import KEY

#: characters of a value, rows of a part, bytes of a safetensors header
LONGEST, MOST, HEADER = 2000, 80, 20_000_000
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "PNG", "image/png"),
    (b"\xff\xd8\xff", "JPEG", "image/jpeg"),
    (b"GIF8", "GIF", "image/gif"),
    (b"PK\x03\x04", "ZIP", ""),
    (b"%PDF", "PDF", ""),
)

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Said:
    """A sentence with its ``tone``: good, bad or plain. It is a ``StudioError`` because those can be translated."""

    tone: str
    sentence: StudioError


@dataclass
class Explained:
    """What a file says. ``parts``: (recipe, parameters, credentials or metadata; rows of name and value)."""

    format: str
    width: int = 0
    height: int = 0
    said: list[Said] = field(default_factory=list)
    parts: list[tuple[str, Rows]] = field(default_factory=list)

    def say(self, tone: str, sentence: StudioError) -> None:
        self.said.append(Said(tone, sentence))


def explain(data: bytes, credentials: Credentials, cut: bool = False) -> Explained:
    """Reads a file's bytes; ``cut``: they are only its beginning. Raises ``StudioError`` for an empty one."""
    if not data:
        raise StudioError("explain.empty", "This file is empty: there is nothing to read in it.")
    name, media_type = _kind(data)
    found = Explained(name, *_size(data, media_type))
    manifest = credentials.read(data, media_type) if media_type in SIGNED and not cut else None
    _credentials(found, manifest)
    ours = _recipe(data)
    if ours is not None:
        _ours(found, ours)
    parameters = parameters_of(data)
    if parameters is not None:
        _parameters(found, parameters)
    if name == "safetensors":
        _weights(found, data, ours is not None)
    if not found.said:
        found.say(
            "plain",
            StudioError(
                "explain.nothing",
                "This {kind} file says nothing about how it was made. That proves nothing: what a file says can be "
                "removed.",
                kind=name,
            ),
        )
    elif manifest is None or manifest.state == "broken":
        found.say(
            "plain",
            StudioError(
                "explain.unproven",
                "What stands in a file anybody can write: without a valid signature it is a claim and no proof.",
            ),
        )
    return found


def _kind(data: bytes) -> tuple[str, str]:
    for mark, name, media_type in _KINDS:
        if data.startswith(mark):
            return name, media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP", "image/webp"
    if data[4:8] == b"ftyp":
        return "MP4", "video/mp4"
    if len(data) > 9 and data[8:9] == b"{" and struct.unpack("<Q", data[:8])[0] < HEADER:
        return "safetensors", ""
    try:
        data[:4096].decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < min(len(data), 4096) - 4:
            return "binary", ""
    return "text", ""


def _size(data: bytes, media_type: str) -> tuple[int, int]:
    """A picture's size from its header alone; zeros where there is none."""
    if not media_type.startswith("image/"):
        return 0, 0
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        return 0, 0


# ------------------------------------------------------------------------------------------ what is in it


def _recipe(data: bytes) -> dict[str, Any] | None:
    """Our recipe in a PNG or a safetensors file, where it is one."""
    text = texts_of(data).get(KEY) or _metadata(data).get(KEY)
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("settings"), dict) else None


def _metadata(data: bytes) -> dict[str, str]:
    return {str(name): str(value) for name, value in (_header(data).get("__metadata__") or {}).items()}


def _header(data: bytes) -> dict[str, Any]:
    if len(data) < 10 or data[8:9] != b"{":
        return {}
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(HEADER, len(data) - 8):
        return {}
    try:
        found = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("__metadata__", {}), dict) else {}


def _ours(found: Explained, recipe: Mapping[str, Any]) -> None:
    found.say(
        "plain",
        StudioError(
            "explain.ours",
            "It carries a recipe of this studio's kind: made with {model} on {made}.",
            model=_short(recipe.get("model") or recipe.get("kind") or "?"),
            made=_short(recipe.get("made") or "?")[:10],
        ),
    )
    rows = {**recipe["settings"], **{name: recipe.get(name) for name in ("seed", "versions", "made")}}
    found.parts.append(("recipe", list(_rows(rows))))


def _parameters(found: Explained, parameters: Parameters) -> None:
    found.say(
        "plain",
        StudioError(
            "explain.other", "It carries the settings that {program} writes into its pictures.",
            program=parameters.program,
        ),
    )  # fmt: skip
    rows = {"prompt": parameters.prompt, "negative_prompt": parameters.negative_prompt, **parameters.settings}
    found.parts.append(("parameters", list(_rows(rows))))


def _weights(found: Explained, data: bytes, ours: bool) -> None:
    header = _header(data)
    tensors = [one for name, one in header.items() if name != "__metadata__" and isinstance(one, dict)]
    count = sum(_numel(one.get("shape")) for one in tensors)
    found.say(
        "plain",
        StudioError(
            "explain.weights",
            "These are weights: {tensors} tensors with {count} numbers, and no code.",
            tensors=len(tensors),
            count=count,
        ),
    )
    rows = {name: value for name, value in _metadata(data).items() if not (ours and name == KEY)}
    found.parts.append(("metadata", list(_rows(rows))))


def _numel(shape: object) -> int:
    count = 1
    for side in shape if isinstance(shape, list) else [0]:
        count *= side if isinstance(side, int) and 0 <= side < 1 << 40 else 0
    return count


def _credentials(found: Explained, manifest: Manifest | None) -> None:
    if manifest is None:
        return
    signer = _short(manifest.signer or manifest.issuer or "?")
    if manifest.state == "own":
        found.say(
            "good",
            StudioError("explain.own", "Its content credentials are valid and signed by this studio: nothing in it was "
                                       "changed since."),
        )  # fmt: skip
    elif manifest.state == "valid":
        found.say(
            "good",
            StudioError(
                "explain.valid",
                "Its content credentials are valid: nothing was changed since {signer} signed it. Who that is, nobody "
                "here vouches for.",
                signer=signer,
            ),
        )
    else:
        found.say(
            "bad",
            StudioError(
                "explain.broken",
                "It has content credentials signed by {signer}, and they do not hold: {problems}. It was changed "
                "since, or the signature is not genuine.",
                signer=signer,
                problems=_short(", ".join(manifest.problems) or "?"),
            ),
        )
    if manifest.made_by_ai:
        found.say("plain", StudioError("explain.ai", "The credentials say that it was made by a trained model."))
    if manifest.changed_by_ai:
        found.say(
            "plain",
            StudioError(
                "explain.changed",
                "The credentials say that a trained model worked on a picture: what it shows was partly there before.",
            ),
        )
    rows = {"signer": manifest.signer, "issuer": manifest.issuer, "program": manifest.generator,
            "actions": list(manifest.actions), "problems": list(manifest.problems)}  # fmt: skip
    if manifest.recipe is not None:
        rows |= dict(manifest.recipe.get("settings") or {})
    found.parts.append(("credentials", list(_rows(rows))))


def _rows(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values as text; what is empty is left out."""
    for name, value in list(values.items())[:MOST]:
        text = ", ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else value
        if isinstance(text, dict):
            text = ", ".join(f"{key} {one}" for key, one in text.items())
        if text not in ("", None):
            yield str(name)[:80], str(text)[:LONGEST]


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:79] + "…"
