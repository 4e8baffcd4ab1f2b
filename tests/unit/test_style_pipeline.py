"""The style pipeline on the real weights: strength, colours, hostile pictures, cancels, memory."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.base import Cancelled, Event, Progress, Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.style.colors import LUMA, keep_colors
from pipelines.style.pipeline import StylePipeline
from pipelines.style.reckoning import reckon
from pipelines.style.request import StyleRequest
from pipelines.style.styles import ASSETS
from tests.unit.turns import FreeTurn

DEVICE = Device("cpu", "test", "float32", "a test", 24 * 10**9, 1)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pipeline() -> StylePipeline:
    return loaded(DEVICE)


def loaded(device: Device) -> StylePipeline:
    pipeline = StylePipeline()
    pipeline.load(ASSETS / "style", device, lambda *_: None)
    return pipeline


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def scene(width: int = 90, height: int = 62, mode: str = "RGB") -> Image.Image:
    """A sky, a hill and a red sun, smooth and with an edge."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    sky = np.stack([0.5 + 0.3 * x, 0.7 - 0.2 * y, 0.9 - 0.4 * x], -1)
    hill = np.stack([0.2 + 0.2 * y, 0.4 + 0.1 * x, 0.1 + 0 * x], -1)
    pixels = np.where((y > 0.35 + 0.1 * np.sin(9 * x))[..., None], hill, sky)
    pixels[np.hypot(y - 0.15, x - 0.7) < 0.08] = (0.9, 0.2, 0.1)
    return Image.fromarray((pixels * 255).astype(np.uint8)).convert(mode)


def events(
    pipeline: StylePipeline,
    tmp_path: Path,
    photo: bytes,
    picture: bytes | None = None,
    turn: FreeTurn | None = None,
    **settings: Any,
) -> list[Event]:
    turn = turn or FreeTurn(tmp_path)
    turn.files |= {digest(data): data for data in (photo, picture) if data is not None}
    asked = {"photo": digest(photo), "style_picture": None if picture is None else digest(picture), "scores": False}
    asked |= settings
    return list(pipeline.run(StyleRequest.parse(asked), turn))


def result(*arguments: Any, **settings: Any) -> Result:
    last = events(*arguments, **settings)[-1]
    assert isinstance(last, Result)
    return last


def painted(*arguments: Any, **settings: Any) -> Image.Image:
    (artifact,) = result(*arguments, **settings).artifacts
    assert artifact.media_type == "image/png"
    return Image.open(io.BytesIO(artifact.data))


def far(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def test_a_painting_has_the_photos_size_and_tells_how_it_was_made(pipeline: StylePipeline, tmp_path: Path) -> None:
    seen = events(pipeline, tmp_path, saved(scene()), style="indigo-waves", strength=0.8)
    last = seen[-1]
    assert isinstance(last, Result)
    assert Image.open(io.BytesIO(last.artifacts[0].data)).size == (90, 62)
    weights = (ASSETS / "style" / "multistyle.safetensors").read_bytes()
    assert last.facts["model_sha256"] == digest(weights)
    assert (last.facts["style"], last.facts["style_name"]) == ("indigo-waves", "Indigo waves")
    assert (last.facts["width"], last.facts["height"], last.facts["strength"]) == (90, 62, 0.8)
    steps = [event.done for event in seen if isinstance(event, Progress) and event.stage == "painting"]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 40)


def test_the_same_request_gives_the_same_bytes(pipeline: StylePipeline, tmp_path: Path) -> None:
    first, second = (result(pipeline, tmp_path, saved(scene()), style="red-weave") for _ in range(2))
    assert first.artifacts[0].data == second.artifacts[0].data


def test_a_style_picture_is_the_style_whatever_else_is_named(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo, picture = saved(scene()), saved(scene(64, 64).rotate(90))
    alone, both = (painted(pipeline, tmp_path, photo, picture, style=style) for style in ("", "red-weave"))
    assert far(alone, both) == 0
    assert far(alone, painted(pipeline, tmp_path, photo, style="red-weave")) > 5


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_strength_0_gives_the_photo_back_exactly(pipeline: StylePipeline, tmp_path: Path, mode: str) -> None:
    photo = scene(mode=mode)
    if mode == "RGBA":
        photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    for picture in (None, saved(scene(64, 64))):
        settings = {"style": "molten-red", "strength": 0, "keep_colors": True}
        same = painted(pipeline, tmp_path, saved(photo), picture, **settings)
        assert same.mode == mode
        assert np.array_equal(np.asarray(same), np.asarray(photo))


@pytest.mark.parametrize("of_picture", [False, True])
def test_more_strength_goes_further_from_the_photo(pipeline: StylePipeline, tmp_path: Path, of_picture: bool) -> None:
    photo, style = scene(), (ASSETS / "examples" / "styles" / "leaded-glass.jpg").read_bytes()
    picture = style if of_picture else None
    strengths = (0, 0.05, 0.25, 0.5, 0.75, 1)
    distances = [
        far(photo, painted(pipeline, tmp_path, saved(photo), picture, style="starry-strokes", strength=strength))
        for strength in strengths
    ]
    assert distances[0] == 0
    assert all(before < after for before, after in pairwise(distances)), distances
    assert distances[1] < distances[-1] / 3  # no jump at the start


def test_keep_colors_keeps_the_photos_chroma(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo = scene()
    plain, kept = (
        painted(pipeline, tmp_path, saved(photo), style="quiet-twilight", keep_colors=keep) for keep in (False, True)
    )
    chroma = [np.asarray(picture.convert("YCbCr"), dtype=float)[..., 1:] for picture in (photo, plain, kept)]
    luma = [np.asarray(picture.convert("YCbCr"), dtype=float)[..., 0] for picture in (plain, kept)]
    assert np.abs(chroma[1] - chroma[0]).mean() > 8
    assert np.median(np.abs(chroma[2] - chroma[0])) <= 1
    assert np.abs(luma[0] - luma[1]).mean() < 1


def test_where_luma_and_chroma_leave_the_gamut_the_hue_and_the_luma_stay() -> None:
    red, bright = np.array([[[0.9, 0.1, 0.1]]], np.float32), np.full((1, 1, 3), 0.95, np.float32)
    kept = keep_colors(bright, red)
    assert kept.max() <= 1
    assert float((kept @ LUMA).item()) == pytest.approx(0.95, abs=1e-5)
    assert kept[0, 0, 0] > kept[0, 0, 1] == pytest.approx(kept[0, 0, 2])
    np.testing.assert_allclose(keep_colors(red, red), red, atol=1e-6)


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    return saved(scene(), "JPEG", exif=exif)


def sixteen_bit() -> bytes:
    grey = np.asarray(scene(mode="L"), dtype=np.uint16) * 257
    return saved(Image.fromarray(grey))


def animated() -> bytes:
    frames = [scene(mode="P"), scene().rotate(180).convert("P")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


HOSTILE: dict[str, tuple[Callable[[], bytes], tuple[int, int]]] = {
    "one pixel": (lambda: saved(scene(1, 1)), (1, 1)),
    "one row": (lambda: saved(scene(200, 1)), (200, 1)),
    "one column": (lambda: saved(scene(1, 33)), (1, 33)),
    "twenty to one": (lambda: saved(scene(600, 30)), (600, 30)),
    "odd": (lambda: saved(scene(61, 47)), (61, 47)),
    "turned by exif": (rotated, (62, 90)),
    "cmyk": (lambda: saved(scene(mode="CMYK"), "JPEG"), (90, 62)),
    "16 bit": (sixteen_bit, (90, 62)),
    "palette": (lambda: saved(scene(mode="P")), (90, 62)),
    "grey": (lambda: saved(scene(mode="L")), (90, 62)),
    "one bit": (lambda: saved(scene(mode="1")), (90, 62)),
    "animated": (animated, (90, 62)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_kind_of_picture_is_painted(pipeline: StylePipeline, tmp_path: Path, name: str) -> None:
    make, size = HOSTILE[name]
    data = make()
    assert painted(pipeline, tmp_path, data, style="ember-glow", strength=0.9).size == size
    assert painted(pipeline, tmp_path, data, data, strength=0.9, keep_colors=True).size == size


@pytest.mark.parametrize("palette", [False, True])
def test_transparent_pictures_keep_their_transparency(pipeline: StylePipeline, tmp_path: Path, palette: bool) -> None:
    photo = scene(mode="RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size).point(lambda value: 255 if value > 99 else 0))
    data = saved(photo.quantize(32)) if palette else saved(photo)
    out = painted(pipeline, tmp_path, data, style="golden-etching")
    assert out.mode == "RGBA"
    assert np.array_equal(np.asarray(out.getchannel("A")), np.asarray(photo.getchannel("A")))


def test_a_picture_that_is_opaque_throughout_stays_without_transparency(
    pipeline: StylePipeline, tmp_path: Path
) -> None:
    assert painted(pipeline, tmp_path, saved(scene(mode="RGBA")), style="ember-glow").mode == "RGB"


@pytest.mark.parametrize("data", [b"not a picture", saved(scene())[:300]])
def test_what_is_no_picture_is_refused_as_photo_and_as_style(
    pipeline: StylePipeline, tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(StudioError):
        events(pipeline, tmp_path, data, style="ember-glow")
    with pytest.raises(StudioError):
        events(pipeline, tmp_path, saved(scene()), data)


def test_an_unknown_style_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"no style named indigo-wave\..*indigo-waves") as caught:
        StyleRequest.parse({"photo": "0" * 64, "style": "indigo-wave"})
    assert caught.value.key == "style.unknown"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("of_picture", [False, True])
def test_a_cancel_acts_between_any_two_pieces_and_harms_nobody(
    pipeline: StylePipeline, tmp_path: Path, of_picture: bool
) -> None:
    photo = saved(scene(200, 300))
    picture = saved(scene(64, 64)) if of_picture else None
    whole = FreeTurn(tmp_path)
    settings: dict[str, Any] = {"style": "" if of_picture else "ember-glow", "strength": 0.9}
    before = painted(pipeline, tmp_path, photo, picture, turn=whole, **settings)
    assert whole.checkpoints >= 20
    for piece in (1, 2, whole.checkpoints // 2, whole.checkpoints):
        with pytest.raises(Cancelled):
            events(pipeline, tmp_path, photo, picture, turn=FreeTurn(tmp_path, cancel_after=piece), **settings)
    assert far(before, painted(pipeline, tmp_path, photo, picture, **settings)) == 0


def test_two_paintings_may_take_turns(pipeline: StylePipeline, tmp_path: Path) -> None:
    photos = [saved(scene()), saved(scene(70, 100))]
    alone = [painted(pipeline, tmp_path, photo, style="red-weave") for photo in photos]
    runs = [
        pipeline.run(
            StyleRequest.parse({"photo": digest(photo), "style": "red-weave"}),
            FreeTurn(tmp_path, {digest(photo): photo}),
        )
        for photo in photos
    ]
    last: list[Event | None] = [None, None]
    pending = [0, 1]
    while pending:
        for index in list(pending):
            event = next(runs[index], None)
            if event is None:
                pending.remove(index)
            else:
                last[index] = event
    for event, picture in zip(last, alone, strict=True):
        assert isinstance(event, Result)
        assert far(Image.open(io.BytesIO(event.artifacts[0].data)), picture) == 0


def test_a_photo_too_large_for_the_memory_is_refused_with_the_size_that_fits(tmp_path: Path) -> None:
    small = loaded(replace(DEVICE, total_bytes=150_000_000))
    photo = saved(scene(600, 400))
    with pytest.raises(StudioError, match="smaller") as caught:
        events(small, tmp_path, photo, style="ember-glow")
    width, height = (int(caught.value.values[name]) for name in ("fit_width", "fit_height"))
    assert width < 600
    assert height < 400
    assert painted(small, tmp_path, saved(scene(width, height)), style="ember-glow").size == (width, height)


MEASURE = """
import re, sys, torch
from pathlib import Path
from tests.unit.test_style_pipeline import DEVICE, events, loaded, saved, scene
torch.set_num_threads(1)
pipeline, small, here = loaded(DEVICE), scene(), Path(sys.argv[1])
large = saved(small.resize((1000, 800)), "JPEG")
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
events(pipeline, here, saved(small), saved(small))
before = peak()
glass = {"picture": saved(small)}
for asked in (glass, {**glass, "pixels": "every"}, {"style": "ember-glow"}):  # the one that takes less comes first
    events(pipeline, here, large, **asked)
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_painting_takes_no_more_memory_than_is_reckoned_with(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    measured = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout.split()
    glass = {"style_picture": "0" * 64}
    for found, named in zip(measured, (glass, {**glass, "pixels": "every"}, {"style": "ember-glow"}), strict=True):
        reckoned = reckon(StyleRequest.parse({"photo": "0" * 64, **named}), 1000, 800, 4, {}).bytes
        assert reckoned / 4 < int(found) < reckoned


def test_bytes_are_held_from_load_to_unload() -> None:
    pipeline = loaded(DEVICE)
    assert 9e6 < pipeline.bytes_held() < 20e6
    half = loaded(replace(DEVICE, dtype="bfloat16")).bytes_held()
    assert half < pipeline.bytes_held()
    pipeline.unload()
    assert pipeline.bytes_held() == 0
