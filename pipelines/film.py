"""Pictures of one size or several as a film: MP4 (H.264) with PyAV, or GIF with Pillow.

Knows frames and seconds; not where the pictures come from. Every frame is shown whole: smaller ones stand on the
background of the largest.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from PIL import Image

from pipelines.errors import StudioError

T = TypeVar("T")

#: behind a frame that is smaller than the film, as in ``training.grid``
BACKGROUND = (24, 24, 24)
RATE = 30  # pictures a second that an MP4 shows; a frame of ours is repeated as often as it takes
MOST = {"mp4": 600, "gif": 120}  # frames that are kept of more, evenly spread; the first and last always are
EDGE = {"mp4": 1080, "gif": 480}
SHORTEST, LONGEST, EACH = 3.0, 20.0, 1 / 12  # seconds a film takes, and what one frame gets between these
STAYS = 1.5  # seconds that the last frame is looked at
MEDIA = {"mp4": "video/mp4", "gif": "image/gif"}


def film(pictures: Sequence[Path], kind: str, title: str = "") -> bytes:
    """The ``pictures`` one after the other, 3 to 20 seconds and 1.5 for the last. ``kind``: "mp4" or "gif".

    Raises ``StudioError`` for fewer than two pictures.
    """
    if len(pictures) < 2:
        raise StudioError(
            "film.short", "A film needs at least two pictures, and there are {count} so far.", count=len(pictures)
        )
    chosen = thinned(pictures, MOST[kind])
    size = _size(chosen, EDGE[kind])
    seconds = min(LONGEST, max(SHORTEST, EACH * len(chosen))) / len(chosen)
    return (_mp4 if kind == "mp4" else _gif)(_frames(chosen, size), len(chosen), size, seconds, title)


def thinned(pictures: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of them, evenly spread, the first and the last among them."""
    if len(pictures) <= most:
        return list(pictures)
    return [pictures[round(place)] for place in np.linspace(0, len(pictures) - 1, most)]


def _size(pictures: Sequence[Path], edge: int) -> tuple[int, int]:
    """Of the largest picture, made smaller to ``edge`` where it is larger; even, as H.264 wants it."""
    sizes = []
    for path in pictures:
        with Image.open(path) as picture:
            sizes.append(picture.size)
    width, height = max(width for width, _ in sizes), max(height for _, height in sizes)
    factor = min(1.0, edge / max(width, height))
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def _frames(pictures: Sequence[Path], size: tuple[int, int]) -> Iterator[Image.Image]:
    for path in pictures:
        with Image.open(path) as picture:
            frame = picture.convert("RGBA")
        if frame.width > size[0] or frame.height > size[1]:
            frame.thumbnail(size, Image.Resampling.LANCZOS)
        ground = Image.new("RGB", size, BACKGROUND)
        ground.paste(frame, ((size[0] - frame.width) // 2, (size[1] - frame.height) // 2), frame)
        yield ground


def there_and_back(frames: Sequence[Image.Image], seconds: float) -> bytes:
    """A GIF that goes through ``frames`` and back again without end, each for so many ``seconds``."""
    out = io.BytesIO()
    first, *others = [*frames, *frames[-2:0:-1]]
    first.save(out, "GIF", save_all=True, append_images=others, duration=round(1000 * seconds), loop=0)
    return out.getvalue()


def _mp4(frames: Iterator[Image.Image], count: int, size: tuple[int, int], seconds: float, title: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        container.metadata.update({"title": title, "comment": "Made with Atelier"})
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        shown = 0
        for number, frame in enumerate(frames, 1):
            video = av.VideoFrame.from_image(frame)  # type: ignore[no-untyped-call]
            while shown < RATE * (seconds * number + (STAYS if number == count else 0)):
                video.pts = shown
                container.mux(stream.encode(video))
                shown += 1
        container.mux(stream.encode())
    return out.getvalue()


def _gif(frames: Iterator[Image.Image], count: int, size: tuple[int, int], seconds: float, title: str) -> bytes:
    del size
    out = io.BytesIO()
    first, *others = list(frames)
    each = round(1000 * seconds)
    lengths = [each] * (count - 1) + [each + round(1000 * STAYS)]
    comment = f"{title} - made with Atelier".encode()
    first.save(out, "GIF", save_all=True, append_images=others, duration=lengths, loop=0, comment=comment)
    return out.getvalue()
