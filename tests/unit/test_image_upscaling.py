"""Upscaling with the studio's own network: exact sizes, no seams, transparency, limits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.base import Progress, Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image import upscaling
from pipelines.image.upscale_request import UpscaleRequest
from pipelines.image.upscaling import UpscalePipeline, open_upscaler, upscaled
from pipelines.sticker.upscaler import StickerUpscaler
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)
PICTURE = "a" * 64


@pytest.fixture(scope="module")
def network() -> StickerUpscaler:
    return open_upscaler(torch.device("cpu"))


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(1).integers(0, 255, (height, width, len(mode)), np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_picture_of_any_shape_becomes_exactly_so_much_larger(network: StickerUpscaler, factor: int) -> None:
    for size in ((1, 1), (37, 5), (70, 33)):
        assert upscaled(network, noise(*size), factor, lambda *_: None).size == (factor * size[0], factor * size[1])


def test_pieces_leave_no_seam(network: StickerUpscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(96, 64)
    whole = np.asarray(upscaled(network, picture, 4, lambda *_: None), np.int16)
    monkeypatch.setattr(upscaling, "PIECE", 32)
    told: list[tuple[int, int]] = []
    pieces = np.asarray(upscaled(network, picture, 4, lambda *found: told.append(found)), np.int16)
    assert np.abs(pieces - whole).max() <= 1
    assert told == [(done, 6) for done in range(1, 7)]


def test_edges_come_out_sharper_than_by_interpolation(network: StickerUpscaler) -> None:
    large = Image.new("RGB", (256, 256), (255, 255, 255))
    large.paste((200, 30, 30), (70, 70, 190, 190))
    small = large.reduce(4)
    ours = np.asarray(upscaled(network, small, 4, lambda *_: None), np.float32)
    theirs = np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC), np.float32)
    wanted = np.asarray(large, np.float32)
    assert np.square(ours - wanted).mean() < np.square(theirs - wanted).mean()


def test_what_is_transparent_stays_so(network: StickerUpscaler) -> None:
    picture = Image.new("RGBA", (32, 32))
    picture.paste((255, 0, 0, 255), (8, 8, 24, 24))
    found = upscaled(network, picture, 4, lambda *_: None)
    assert found.mode == "RGBA"
    assert found.getpixel((0, 0))[3] <= 2
    assert found.getpixel((64, 64))[3] >= 253


def as_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_the_job_gives_one_png_and_says_what_it_was() -> None:
    pipeline = UpscalePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    turn = FreeTurn(Path(), {PICTURE: as_png(noise(20, 10))})
    events = list(pipeline.run(UpscaleRequest.parse({"picture": PICTURE, "factor": 4}), turn))
    assert events[0] == Progress("upscaling", 1, 1, "piece")
    assert isinstance(events[-1], Result)
    (made,) = events[-1].artifacts
    assert Image.open(io.BytesIO(made.data)).size == (80, 40)
    assert events[-1].facts["was"] == "20 x 10"
    assert pipeline.bytes_held() > 0
    pipeline.unload()
    assert pipeline.bytes_held() == 0


def test_what_would_be_too_large_is_a_sentence_before_anything_is_made() -> None:
    pipeline = UpscalePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    turn = FreeTurn(Path(), {PICTURE: as_png(Image.new("L", (3000, 1000)))})
    with pytest.raises(StudioError, match=r"12000 x 4000 pixels, 48\.0 megapixels; at most 25"):
        list(pipeline.run(UpscaleRequest.parse({"picture": PICTURE, "factor": 4}), turn))
