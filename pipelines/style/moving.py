"""Paints a GIF or a short video frame by frame: steady where nothing moves, its sound as it was.

A network paints two frames that differ by a little noise in strokes that differ by much. So where a frame is as the one
before it, its paint is drawn towards that frame's paint, the less the more has changed there. Knows frames and the
painters; containers are ``clips``'s.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from pipelines.base import Artifact, Event, Preview, Progress, Result, Scalar, Turn
from pipelines.errors import StudioError
from pipelines.pictures import webp
from pipelines.style.clips import Clip, gif_frames, look, opened, upright
from pipelines.style.finish import Composition, Finish
from pipelines.style.lines import box
from pipelines.style.memory import require_room
from pipelines.style.networks import Networks
from pipelines.style.painters import Painters, Pass, Steps, resized
from pipelines.style.painting import title_of
from pipelines.style.photo import Photo, Pixels8
from pipelines.style.reckoning import within
from pipelines.style.request import StyleRequest

#: a change of this many of 255 levels leaves a third of the steadiness
STILL = 10.0
#: sound that an MP4 holds as it is; other kinds become AAC
KEPT_SOUND = ("aac", "mp3")
PREVIEW_EVERY = 2.0


class Moving:
    """Runs a request for a film. One that is finished early has the frames that were painted until then."""

    def __init__(self, networks: Networks, request: StyleRequest, turn: Turn) -> None:
        self.networks, self.request, self.turn = networks, request, turn
        self.painters = Painters(networks, request, turn)
        self.passes: list[Pass] | None = None
        self.before: tuple[Pixels8, Pixels8] | None = None  # the last frame and its painting
        self.done, self.size, self.shown = 0, (0, 0), time.monotonic()

    def events(self) -> Iterator[Event]:
        """Progress for each frame, previews, then the film. Raises ``StudioError`` for what cannot be read."""
        began = time.monotonic()
        with self.turn.aside():
            data = self.turn.read(self.request.photo)
            clip = look(data)
        require_room(self.request, clip.width, clip.height, self.networks.device)
        yield Progress("painting", 0, clip.frames or None, "frame")
        film = yield from self._gif(data, clip) if clip.kind == "gif" else self._video(data, clip)
        if self.done == 0:
            raise StudioError("style.film.empty", "No frame was painted yet when this was stopped.")
        yield self._result(film, clip, time.monotonic() - began)

    # ---------------------------------------------------------------------------------- one frame

    def _painted(self, pixels: Pixels8, clip: Clip) -> Steps[Pixels8]:
        """The next frame, painted and steadied."""
        photo = Photo(pixels, Image.fromarray(pixels))
        if self.passes is None:
            self.passes = self.painters.passes(pixels)
        layers = yield from self.painters.fast(pixels, self.passes, {}, told=False)
        finish = Finish(self.request.palette, self.request.detail)
        painted = np.asarray(Composition(photo, layers, finish, self.painters.between).picture())
        if self.before is not None and self.before[0].shape == pixels.shape:
            painted = steadied(pixels, painted, *self.before, self.request.smooth)
        self.before, self.size = (pixels, painted), (pixels.shape[1], pixels.shape[0])
        self.done += 1
        yield Progress("painting", self.done, clip.frames or None, "frame")
        if time.monotonic() - self.shown > PREVIEW_EVERY:
            with self.turn.aside():
                yield Preview(self.done, max(clip.frames, self.done), webp(Image.fromarray(painted)))
            self.shown = time.monotonic()
        return painted

    # --------------------------------------------------------------------------------- containers

    def _gif(self, data: bytes, clip: Clip) -> Steps[bytes]:
        frames: list[Image.Image] = []
        stays: list[int] = []
        for frame, milliseconds in gif_frames(data, self.request.edge):
            painted = yield from self._painted(np.asarray(frame), clip)
            frames.append(Image.fromarray(painted).quantize(256, dither=Image.Dither.NONE))
            stays.append(milliseconds)
            if self.turn.finishing:
                break
        yield Progress("saving")
        out = io.BytesIO()
        with self.turn.aside():
            frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=stays, loop=0)
        return out.getvalue()

    def _video(self, data: bytes, clip: Clip) -> Steps[bytes]:
        """Packets in the order they lie in the file, so that sound and pictures stay beside each other."""
        out = io.BytesIO()
        with opened(data) as source, av.open(out, "w", format="mp4") as target:
            pictures = source.streams.video[0]
            sounds = source.streams.audio[0] if source.streams.audio else None
            wide, high = (side // 2 * 2 or 2 for side in within(clip.width, clip.height, self.request.edge))
            rate = pictures.average_rate or Fraction(25)
            stream = target.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = wide, high, "yuv420p"
            copied = sounds is not None and sounds.codec_context.name in KEPT_SOUND
            sound = None
            if sounds is not None:
                sound = target.add_stream_from_template(sounds) if copied else target.add_stream("aac", rate=48000)
            for packet in source.demux([one for one in (pictures, sounds) if one is not None]):
                if packet.stream is sounds and sound is not None:
                    if copied:
                        if packet.dts is not None:
                            packet.stream = sound
                            target.mux(packet)
                    else:
                        for heard in packet.decode():
                            if isinstance(heard, av.AudioFrame):
                                target.mux(sound.encode(heard))
                    continue
                for frame in packet.decode():
                    if not isinstance(frame, av.VideoFrame):
                        continue
                    seen = resized(upright(frame), (wide, high))
                    painted = yield from self._painted(seen, clip)
                    video = av.VideoFrame.from_ndarray(painted, format="rgb24")
                    video.pts, video.time_base = frame.pts, frame.time_base
                    target.mux(stream.encode(video))
                if self.turn.finishing:
                    break
            yield Progress("saving")
            target.mux(stream.encode())
            if sound is not None and not copied:
                target.mux(sound.encode())
        return out.getvalue()

    # ------------------------------------------------------------------------------------- result

    def _result(self, film: bytes, clip: Clip, seconds: float) -> Result:
        request, networks = self.request, self.networks
        facts: dict[str, Scalar] = {
            "style": "" if request.style_picture else request.style,
            "style_name": title_of(request),
            "strength": request.strength,
            "frames": self.done,
            "width": self.size[0],
            "height": self.size[1],
            "seconds": round(seconds, 3),
            "model_sha256": networks.arbitrary_sha256 if request.style_picture else networks.multistyle_sha256,
            "number_bytes": networks.device.torch_dtype.itemsize,
            **{f"rate_{engine}": round(rate, 4) for engine, rate in self.painters.rates.items()},
        }
        ending, media = ("gif", "image/gif") if clip.kind == "gif" else ("mp4", "video/mp4")
        name = f"{request.style or 'style-of-a-picture'}.{ending}"
        return Result((Artifact(name, media, film, title_of(request), facts),), facts)


def steadied(
    frame: Pixels8, painted: Pixels8, frame_before: Pixels8, painted_before: Pixels8, smooth: float
) -> Pixels8:
    """``painted`` drawn towards ``painted_before`` by up to ``smooth`` where ``frame`` is as ``frame_before``."""
    if smooth == 0:
        return painted
    change = np.abs(frame.astype(np.float32) - frame_before).mean(axis=-1)
    share = (smooth * np.exp(-((box(change, 2) / STILL) ** 2)))[..., None]
    mixed = painted + share * (painted_before.astype(np.float32) - painted)
    out: Pixels8 = np.rint(mixed).astype(np.uint8)
    return out
