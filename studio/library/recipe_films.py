"""A text inside a GIF or an MP4: where it is put and how it is found again. Knows no recipe.

No picture is decoded: in a GIF the comment is a block of its own, and the packets of an MP4 are copied as they are.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

#: what our comments begin with, since others write comments too
MARK = "atelier "
#: a comment block of a GIF (GIF89a, section 24): its introducer and the most bytes of each of its pieces
COMMENT, PIECE = b"\x21\xfe", 255


def into_gif(data: bytes, text: str) -> bytes:
    """``data`` with ``text`` as a comment behind its colour table."""
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    words = (MARK + text).encode("ascii")
    pieces = [words[first : first + PIECE] for first in range(0, len(words), PIECE)]
    block = COMMENT + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"
    return data[:at] + block + data[at:]


def from_gif(data: bytes) -> str | None:
    """The text of the first comment of ours, None where there is none."""
    at = data.find(COMMENT + bytes([PIECE]) + MARK.encode())
    if at < 0:
        return None
    at, words = at + 2, b""
    while at < len(data) and data[at]:
        words += data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    return words.decode("ascii", "replace").removeprefix(MARK)


def into_mp4(data: bytes, text: str) -> bytes:
    """``data`` with ``text`` as the comment of its metadata."""
    import av  # the web process reads recipes too, and most of them are of other files

    out = io.BytesIO()
    with av.open(io.BytesIO(data), "r", format="mp4") as source, av.open(out, "w", format="mp4") as target:
        target.metadata.update({**source.metadata, "comment": MARK + text})
        kept = [*source.streams.video, *source.streams.audio]
        streams = {one.index: target.add_stream_from_template(one) for one in kept}
        for packet in source.demux(kept):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return out.getvalue()


def from_mp4(data: bytes) -> str | None:
    """The comment, where it is ours."""
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="mp4") as source:
            words = source.metadata.get("comment", "")
    except av.FFmpegError:
        return None
    return words.removeprefix(MARK) if words.startswith(MARK) else None


def first_frame(data: bytes) -> Image.Image:
    """What an MP4 of ours shows first."""
    import av

    with av.open(io.BytesIO(data), "r", format="mp4") as source:
        frame = next(source.decode(source.streams.video[0]))
        return Image.fromarray(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
