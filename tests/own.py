"""Zips of captioned pictures as a person would pack them, tiny and drawn here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from PIL import Image, ImageDraw

THINGS = ("sad dog", "happy cat", "red apple", "blue car", "green tree", "yellow sun", "pink pig", "small house")


def drawn(number: int = 0, size: tuple[int, int] = (48, 48), kind: str = "PNG", mode: str = "RGBA") -> bytes:
    """A coloured disc, its colour by ``number``, on a transparent ground where the kind has one."""
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    colour = ((number * 67) % 256, (number * 131) % 256, (number * 197) % 256, 255)
    ImageDraw.Draw(picture).ellipse((4, 4, size[0] - 5, size[1] - 5), fill=colour)
    out = io.BytesIO()
    picture.convert("RGB" if kind == "JPEG" else mode).save(out, kind)
    return out.getvalue()


def zip_of(files: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name) if method == zipfile.ZIP_STORED else name, data)
    return out.getvalue()


def own_files(count: int = 24) -> dict[str, bytes | str]:
    """``count`` pictures whose names are their captions: "sad dog 0.png", "happy cat 1.png"."""
    return {f"{THINGS[number % len(THINGS)]} {number}.png": drawn(number) for number in range(count)}


def own_zip(count: int = 24, **more: bytes | str) -> bytes:
    return zip_of({**own_files(count), **more})
