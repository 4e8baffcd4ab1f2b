"""Two hundred pictures as nobody should send them: odd shapes in every mode, turned, animated, cut short, lying.

Numbers only, the same pictures every time, each a few kilobytes. ``HOSTILE`` has a function for each by name, so that
nothing is drawn before it is wanted.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

SHAPES = {
    "1x1": (1, 1),
    "1 wide": (1, 60),
    "1 high": (60, 1),
    "20 to 1": (200, 10),
    "1 to 20": (10, 200),
    "2x3": (2, 3),
    "odd": (61, 47),
    "prime": (17, 97),
}
KINDS = {
    "PNG": ("RGB", "RGBA", "L", "LA", "1", "P", "I;16"),
    "JPEG": ("RGB", "L", "CMYK", "YCbCr"),
    "TIFF": ("RGB", "RGBA", "L", "1", "CMYK", "LAB", "I;16", "I", "F"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L", "1"),
    "GIF": ("P", "L"),
}


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Smooth colours of this size in ``mode``."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    pixels = np.stack([x * 7 % 256, y * 5 % 256, (x + y) * 3 % 256], -1).astype(np.uint8)
    plain = Image.fromarray(pixels)
    if mode in ("I;16", "I", "F"):
        grey = np.asarray(plain.convert("L"))
        kinds: dict[str, Any] = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
        return Image.fromarray(grey.astype(kinds[mode]) * (257 if mode != "F" else 1))
    if mode in ("RGBA", "LA"):
        seen = plain.convert(mode)
        seen.putalpha(Image.fromarray((x * 11 % 256).astype(np.uint8)))
        return seen
    return plain.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """``image`` as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def shaped(kind: str, mode: str, shape: str) -> bytes:
    """One picture of a kind, a mode and a shape."""
    return saved(picture(SHAPES[shape], mode), kind)


def turned(orientation: int) -> bytes:
    """A photo whose camera was held in one of eight ways."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(picture((40, 24)), "JPEG", exif=exif)


def animated(kind: str, frames: int) -> bytes:
    """Several frames of which the first counts."""
    pictures = [picture((32, 24)).rotate(9 * number) for number in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=40)


def clear_palette() -> bytes:
    """A palette of which one colour is transparent."""
    return saved(picture((40, 30)).quantize(16), "PNG", transparency=3)


def cut(kind: str, share: float) -> bytes:
    """The beginning of a file."""
    whole = saved(picture((64, 48)), kind)
    return whole[: max(1, int(share * len(whole)))]


def bitten(kind: str, seed: int) -> bytes:
    """A file of which twenty bytes are others, the first dozen left as they were."""
    draw, data = random.Random(seed), bytearray(saved(picture((64, 48)), kind))
    for _ in range(20):
        data[draw.randrange(12, len(data))] = draw.randrange(256)
    return bytes(data)


def bomb(width: int, height: int, color: int = 2) -> bytes:
    """A PNG of about 9 KB that claims to be far larger."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(9_000_000)))
        + chunk(b"IEND", b"")
    )


def impostors() -> Iterator[tuple[str, bytes]]:
    """What is no picture at all, or says it is another kind."""
    yield "empty", b""
    yield "one byte", b"\x89"
    yield "words", b"not a picture" * 50
    yield "page", b"<html><img src=x onerror=alert(1)></html>"
    yield "drawing", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    yield "pickle", b"\x80\x05\x95" + b"x" * 100
    yield "archive", b"PK\x03\x04" + b"\0" * 100
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file"
    yield "only a head", b"\x89PNG\r\n\x1a\n"
    yield "two heads", b"\xff\xd8\xff" + saved(picture((9, 9)), "PNG")
    yield "icon", saved(picture((16, 16)), "ICO")
    yield "portable", saved(picture((16, 16)), "PPM")


def _all() -> dict[str, Callable[[], bytes]]:
    found: dict[str, Callable[[], bytes]] = {}
    for kind, modes in KINDS.items():
        for number, mode in enumerate(modes):
            for place, shape in enumerate(SHAPES):
                if kind in ("PNG", "JPEG") or (place + number) % 3 == 0:
                    found[f"{kind} {mode} {shape}"] = partial(shaped, kind, mode, shape)
    for orientation in range(9):
        found[f"turned {orientation}"] = partial(turned, orientation)
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        found[f"animated {kind}"] = partial(animated, kind, 3)
    found["clear palette"] = clear_palette
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        for share in (0.05, 0.5, 0.95):
            found[f"cut {kind} {share}"] = partial(cut, kind, share)
        for seed in range(4):
            found[f"bitten {kind} {seed}"] = partial(bitten, kind, seed)
    for width, height in ((9000, 9000), (30000, 30000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 5)):
        found[f"bomb {width} x {height}"] = partial(bomb, width, height)
    for name, data in impostors():
        found[f"impostor {name}"] = partial(bytes, data)
    return found


HOSTILE = _all()
