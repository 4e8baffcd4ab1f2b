"""The settings that other programs write into the pictures they make: AUTOMATIC1111's parameters, ComfyUI's graph.

Reads a PNG's text chunks without decoding a pixel, and the EXIF comment of a JPEG or WebP. Nothing that stands there is
trusted: lengths are bounded, and what cannot be read is left out. Formats: PNG 1.2 (ISO/IEC 15948) section 11.3.4;
AUTOMATIC1111's ``infotext``, which Forge, InvokeAI's export and others write too.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, UnidentifiedImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: bytes of one text that are read, texts of one file, and of their names
LONGEST, MOST, LONGEST_NAME = 1_000_000, 200, 79
_USER_COMMENT, _EXIF = 0x9286, 0x8769
_PAIR = re.compile(r'\s*([\w][\w \-/]{0,60}):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_NEGATIVE = "Negative prompt:"
#: what AUTOMATIC1111 calls the settings that our requests have too
_OURS = {"Steps": "steps", "Sampler": "scheduler", "CFG scale": "guidance", "Seed": "seed", "Model": "model"}


@dataclass(frozen=True)
class Parameters:
    """``program`` that wrote them; ``prompt`` and ``negative_prompt``; the other settings by their own names."""

    program: str
    prompt: str
    negative_prompt: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> dict[str, str]:
        """The settings that have a name here: steps, scheduler, guidance, seed, model, width, height."""
        found = {_OURS[name]: value for name, value in self.settings.items() if name in _OURS}
        width, _, height = self.settings.get("Size", "").partition("x")
        return found | ({"width": width, "height": height} if width.isdigit() and height.isdigit() else {})


def parameters_of(data: bytes) -> Parameters | None:
    """What another program says of how it made a picture; None where none does."""
    texts = texts_of(data)
    if "parameters" in texts:
        return infotext(texts["parameters"])
    if "prompt" in texts and (found := _comfy(texts["prompt"])) is not None:
        return found
    comment = comment_of(data)
    return infotext(comment) if comment and "Steps:" in comment else None


def infotext(text: str) -> Parameters:
    """AUTOMATIC1111's form: the prompt, a line of what is not wanted, a last line of settings."""
    lines = text.strip().split("\n")
    pairs = _PAIR.findall(lines[-1]) if lines else []
    settings = {}
    if len(pairs) >= 3:  # a prompt may hold a colon too; settings are many
        settings = {name: _unquoted(value.strip()) for name, value in pairs}
        lines = lines[:-1]
    words = "\n".join(lines)
    prompt, _, negative = words.partition(_NEGATIVE)
    return Parameters("AUTOMATIC1111", prompt.strip(), negative.strip(), settings)


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _comfy(text: str) -> Parameters | None:
    """ComfyUI's graph: the sampler's numbers, and the texts that lead to its positive and its negative input."""
    try:
        graph = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(graph, dict):
        return None
    nodes = {str(key): node for key, node in graph.items() if isinstance(node, dict) and "class_type" in node}
    if not nodes:
        return None
    sampler = next((node for node in nodes.values() if "KSampler" in str(node["class_type"])), {})
    inputs = sampler.get("inputs", {}) if isinstance(sampler.get("inputs"), dict) else {}
    settings = {name: str(value)[:200] for name, value in inputs.items() if isinstance(value, (str, int, float))}
    for node in nodes.values():
        for name, value in (node.get("inputs") or {}).items() if isinstance(node.get("inputs"), dict) else ():
            if name in ("ckpt_name", "unet_name", "lora_name") and isinstance(value, str):
                settings[name] = value[:200]
    prompt, negative = (_words(nodes, inputs.get(side), 0) for side in ("positive", "negative"))
    return Parameters("ComfyUI", prompt, negative, settings)


def _words(nodes: Mapping[str, Any], link: object, depth: int) -> str:
    """The text at the end of a link [node, output], a few nodes away at most."""
    if not (isinstance(link, list) and link and depth < 8):
        return ""
    node = nodes.get(str(link[0]))
    inputs = node.get("inputs") if isinstance(node, dict) else None
    if not isinstance(inputs, dict):
        return ""
    text = inputs.get("text")
    if isinstance(text, str):
        return text[:LONGEST]
    return next((found for value in inputs.values() if (found := _words(nodes, value, depth + 1))), "")


def texts_of(data: bytes) -> dict[str, str]:
    """A PNG's texts by name: tEXt, zTXt and iTXt. Empty for any other file."""
    found: dict[str, str] = {}
    for kind, payload in _chunks(data):
        text = _text(kind, payload)
        if text is not None and len(found) < MOST:
            found.setdefault(*text)
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while data[: len(SIGNATURE)] == SIGNATURE and at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind in (b"tEXt", b"zTXt", b"iTXt") and length <= LONGEST:
            yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _text(kind: bytes, payload: bytes) -> tuple[str, str] | None:
    name, _, rest = payload.partition(b"\0")
    if not 1 <= len(name) <= LONGEST_NAME:
        return None
    packed, encoding = False, "latin-1"
    if kind == b"zTXt":
        packed, rest = True, rest[1:]
    elif kind == b"iTXt":
        packed, encoding = rest[:1] == b"\1", "utf-8"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # language, translated name
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, LONGEST)
        except zlib.error:
            return None
    return name.decode("latin-1"), rest.decode(encoding, errors="replace")


def comment_of(data: bytes) -> str:
    """The EXIF user comment of a JPEG or WebP: eight bytes say how it is written."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "WEBP"]) as picture:
            raw = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        return ""
    if not isinstance(raw, bytes) or len(raw) > LONGEST:
        return str(raw)[:LONGEST] if isinstance(raw, str) else ""
    head, body = raw[:8], raw[8:]
    if head == b"UNICODE\0":
        big = body[:1] == b"\0"  # AUTOMATIC1111 writes big-endian, others what their machine has
        return body.decode("utf-16-be" if big else "utf-16-le", errors="replace").strip("\0\ufeff")
    return (body if head[:5] in (b"ASCII", b"\0\0\0\0\0") else raw).decode("utf-8", errors="replace").strip("\0")
