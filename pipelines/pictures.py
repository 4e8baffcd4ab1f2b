"""Reads a picture somebody sent, safely, whatever its mode; writes pictures for people.

Knows Pillow and the pixel limit. The size is read from the header before anything is decoded: a 9 KB file can
claim 81 megapixels. Every reader of an upload goes through ``open_picture``, or ``open_drawing`` where what shines
through matters.
"""

from __future__ import annotations

import io
import re
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines.base import Picture
from pipelines.errors import StudioError

MAX_PIXELS = 25_000_000
MAX_BYTES = 50_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def open_picture(data: bytes, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """The first frame as an upright RGB picture; transparency is laid on ``background``.

    CMYK, 16-bit, palette, grey, animated and EXIF-turned pictures all come out as 8-bit RGB.
    Raises ``StudioError`` for what is not a picture, is cut short or has more than ``MAX_PIXELS``.
    """
    return _rgb(ImageOps.exif_transpose(_opened(data)), background)


def open_drawing(data: bytes, edge: int = 0) -> Image.Image:
    """The first frame as an upright RGBA picture, what is transparent left so. Raises as ``open_picture`` does.

    ``edge``: a JPEG may come smaller, but not below so many pixels an edge: decoding it whole takes ten times longer.
    """
    picture = ImageOps.exif_transpose(_opened(data, edge))
    return picture.convert("RGBA") if picture.has_transparency_data else _rgb(picture, (0, 0, 0)).convert("RGBA")


def check_header(data: bytes) -> Image.Image:
    """The picture in ``data`` with nothing decoded yet: its size and kind are within what is read here.

    Raises ``StudioError`` as ``open_picture`` does.
    """
    if len(data) > MAX_BYTES:
        raise StudioError(
            "picture.bytes",
            "The picture has {megabytes} MB; at most {limit} MB are read.",
            megabytes=round(len(data) / 1e6),
            limit=MAX_BYTES // 1_000_000,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, lower limit follows
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:  # far above our limit: Pillow stops before it tells the size
        raise _bomb(error) from error
    except UnidentifiedImageError:
        raise StudioError(
            "picture.unknown", "This file is not a picture that can be read. PNG, JPEG, WebP, GIF, BMP and TIFF can."
        ) from None
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise _broken(error) from error
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise too_large(width, height)
    return picture


def _opened(data: bytes, edge: int = 0) -> Image.Image:
    """The first frame as it was stored."""
    picture = check_header(data)
    try:
        picture.seek(0)
        if edge:
            picture.draft(None, (edge, edge))
        picture.load()
    except Image.DecompressionBombError as error:
        raise _bomb(error) from error
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise _broken(error) from error
    return picture


def _bomb(error: Image.DecompressionBombError) -> StudioError:
    pixels = re.search(r"\((\d+) pixels\)", str(error))
    return StudioError(
        "picture.bomb",
        "The picture claims {megapixels} megapixels; at most {limit} megapixels are read. Make it smaller first.",
        megapixels=round(int(pixels[1]) / 1e6) if pixels else "?",
        limit=MAX_PIXELS // 1_000_000,
    )


def _broken(error: Exception) -> StudioError:
    return StudioError(
        "picture.broken",
        "The picture is cut short or damaged and could not be decoded ({reason}).",
        reason=str(error)[:80],
    )


def too_large(width: int, height: int) -> StudioError:
    """The sentence for a picture of more pixels than are read."""
    return StudioError(
        "picture.pixels",
        "The picture is {width} x {height}, {megapixels} megapixels; at most {limit} "
        "megapixels are read. Make it smaller first.",
        width=width,
        height=height,
        megapixels=round(width * height / 1e6, 1),
        limit=MAX_PIXELS // 1_000_000,
    )


def _rgb(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        _, high = picture.getextrema()
        top = 65535 if isinstance(high, (int, float)) and high > 255 else 255
        grey = picture.convert("F").point(lambda value: value * (255.0 / top) + 0.5)
        return grey.convert("L").convert("RGB")
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        under = Image.new("RGBA", over.size, (*background, 255))
        return Image.alpha_composite(under, over).convert("RGB")
    return picture.convert("RGB")


def png(picture: Image.Image) -> bytes:
    """Lossless, for results. Level 4 gives files of level 6's size in less than half its time on painted pictures."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue()


def webp(picture: Image.Image, quality: int = 80) -> Picture:
    """Small and quick, for previews and sample grids."""
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=2)
    return Picture(out.getvalue(), "image/webp", picture.width, picture.height)
