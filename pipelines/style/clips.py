"""Reads moving pictures, safely: GIF and WebP with Pillow, MP4, MOV, WebM and AVI with PyAV.

Knows containers and frames, not what is done with them. The kind of file is told by its first bytes and no other reader
is tried: some of FFmpeg's open further files that a text names. Imports no torch.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import av.container
import numpy as np
from PIL import Image, ImageSequence

from pipelines.errors import StudioError
from pipelines.pictures import MAX_PIXELS, open_picture, too_large
from pipelines.style.reckoning import within

#: frames and seconds that are painted at most
MOST_FRAMES, MOST_SECONDS = 900, 60.0
#: how long a frame of a GIF stays that does not say so, in milliseconds
USUAL = 100


@dataclass(frozen=True)
class Clip:
    """``kind``: gif or video. ``frames`` and ``seconds`` are what the file says, 0 where it does not."""

    kind: str
    width: int
    height: int
    frames: int
    seconds: float


def format_of(data: bytes) -> str | None:
    """FFmpeg's name of a container that is read, None for everything else."""
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    return "avi" if data[:4] == b"RIFF" and data[8:12] == b"AVI " else None


def is_moving(data: bytes) -> bool:
    """Whether ``data`` is a video, or a picture of several frames."""
    if format_of(data) is not None:
        return True
    if data[:3] != b"GIF" and data[8:12] != b"WEBP":
        return False
    open_picture(data)  # refuses what is too large before frames are counted
    with Image.open(io.BytesIO(data), formats=("GIF", "WEBP")) as picture:
        return getattr(picture, "n_frames", 1) > 1


def look(data: bytes) -> Clip:
    """What the file says of itself. Raises ``StudioError`` where it cannot be read, is still or too long."""
    if not is_moving(data):
        raise StudioError(
            "style.film.still", "Nothing moves in this file. Give a GIF or a short video, or paint it as a photo."
        )
    clip = _look_at_video(data) if format_of(data) else _look_at_gif(data)
    if clip.frames > MOST_FRAMES or clip.seconds > MOST_SECONDS:
        raise StudioError(
            "style.film.long",
            "This has {frames} frames and {seconds} s; at most {limit} frames and {seconds_limit} s are painted. "
            "Cut it shorter first.",
            frames=clip.frames,
            seconds=round(clip.seconds, 1),
            limit=MOST_FRAMES,
            seconds_limit=round(MOST_SECONDS),
        )
    return clip


def _look_at_gif(data: bytes) -> Clip:
    with Image.open(io.BytesIO(data), formats=("GIF", "WEBP")) as picture:
        frames = getattr(picture, "n_frames", 1)
        each = picture.info.get("duration", USUAL) or USUAL
        return Clip("gif", picture.width, picture.height, frames, frames * each / 1000)


def _look_at_video(data: bytes) -> Clip:
    with opened(data) as container:
        stream = container.streams.video[0]
        seconds = float(container.duration or 0) / av.time_base
        rate = float(stream.average_rate or 25)
        first = next(container.decode(stream), None)
        if first is None:
            raise broken("no frame")
        height, width, _ = upright(first).shape
        open_size(width, height)
        return Clip("video", width, height, stream.frames or round(seconds * rate), seconds)


def open_size(width: int, height: int) -> None:
    """Raises ``StudioError`` for frames of more pixels than a picture may have."""
    if width * height > MAX_PIXELS:
        raise too_large(width, height)


@contextmanager
def opened(data: bytes) -> Iterator[av.container.InputContainer]:
    """The container of a video with a stream of pictures; what FFmpeg finds wrong with it becomes a sentence."""
    try:
        with av.open(io.BytesIO(data), "r", format=format_of(data)) as container:
            if not container.streams.video:
                raise broken("no pictures")
            yield container
    except av.FFmpegError as error:
        raise broken(str(error)) from error


def broken(reason: str) -> StudioError:
    """The sentence for a file that cannot be read."""
    return StudioError(
        "style.film.broken",
        "This moving picture is damaged or of a kind that is not read ({reason}). GIF, MP4, MOV, WebM and AVI are.",
        reason=reason[:80],
    )


def upright(frame: av.VideoFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A frame as [height, width, 3] bytes, turned as its camera was held."""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    turns = round(frame.rotation / 90) % 4  # counterclockwise, as numpy turns
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def gif_frames(data: bytes, edge: int) -> Iterator[tuple[Image.Image, int]]:
    """Each frame on white with a longer side of at most ``edge``, and the milliseconds it stays."""
    with Image.open(io.BytesIO(data), formats=("GIF", "WEBP")) as picture:
        for frame in ImageSequence.Iterator(picture):
            stays = int(frame.info.get("duration", USUAL) or USUAL)
            over = frame.convert("RGBA")
            flat = Image.alpha_composite(Image.new("RGBA", over.size, (255, 255, 255, 255)), over).convert("RGB")
            yield flat.resize(within(*flat.size, edge), Image.Resampling.LANCZOS), stays


def poster(data: bytes) -> Image.Image:
    """The first frame of a moving picture."""
    if format_of(data) is None:
        return open_picture(data)
    with opened(data) as container:
        first = next(container.decode(container.streams.video[0]), None)
        if first is None:
            raise broken("no frame")
        return Image.fromarray(upright(first))
