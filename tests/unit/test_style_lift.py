"""A small painting brought to the photo's size: sharp where the photo is, quiet where it is, and as large as it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipelines.style.lift import BEYOND, lifted, reduced
from pipelines.style.photo import Pixels8
from pipelines.style.pipeline import StylePipeline
from pipelines.style.reckoning import NEARLY, QUICK, reckon, seen_size
from pipelines.style.request import StyleRequest
from tests.unit.test_style_depth import half_mask
from tests.unit.test_style_pipeline import DEVICE, digest, far, loaded, painted, result, saved, scene
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pipeline() -> StylePipeline:
    return loaded(DEVICE)


def asked(**settings: Any) -> StyleRequest:
    return StyleRequest.parse({"photo": "0" * 64, "style": "ember-glow", **settings})


def nobody() -> None:
    """Nobody else wants the device."""


def halves(width: int, height: int, left: int, right: int, at: int) -> Pixels8:
    """Two greys that meet at a column."""
    pixels = np.full((height, width, 3), left, np.uint8)
    pixels[:, at:] = right
    return pixels


def raised(photo: Pixels8, factor: int, repaint: Any) -> Pixels8:
    """``photo`` painted small by ``repaint`` and lifted."""
    small = reduced(photo, (photo.shape[1] // factor, photo.shape[0] // factor))
    return lifted(repaint(small), small, photo, nobody)


def test_an_edge_that_paint_and_photo_share_is_as_sharp_as_the_photos() -> None:
    photo = halves(96, 64, 60, 200, 41)  # between two pixels of the small one
    result = raised(photo, 4, lambda small: 255 - small).astype(int)
    enlarged = np.asarray(Image.fromarray(255 - reduced(photo, (24, 16))).resize((96, 64), Image.Resampling.LANCZOS))
    steps, soft = (np.abs(np.diff(one[32, :, 0].astype(int))).max() for one in (result, enlarged))
    assert steps > 2 * soft
    assert np.abs(np.diff(result[32, :, 0])).argmax() == 40


def test_flat_paint_stays_as_flat_as_its_margin_however_busy_the_photo_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    result = raised(noise, 4, lambda small: np.full_like(small, 120)).astype(int)
    assert np.abs(result - 120).max() <= BEYOND


def test_nothing_goes_beyond_the_paint_around_it_by_more_than_its_margin() -> None:
    photo = np.asarray(scene(120, 80))
    small = reduced(photo, (30, 20))
    paint = np.ascontiguousarray(small[::-1])
    result = lifted(paint, small, photo, nobody).astype(int)
    rings = 6  # what enlarging by cubics adds
    assert result.min() >= int(paint.min()) - BEYOND - rings
    assert result.max() <= int(paint.max()) + BEYOND + rings


@pytest.mark.parametrize("size", [(1, 90), (90, 1), (7, 5), (97, 61), (64, 640)])
def test_every_shape_keeps_its_size_and_the_photo_is_left_as_it_was(size: tuple[int, int]) -> None:
    photo = np.asarray(scene(*size))
    before = photo.copy()
    small = reduced(photo, (max(1, size[0] // 3), max(1, size[1] // 3)))
    assert lifted(small, small, photo, nobody).shape == photo.shape
    assert (photo == before).all()


def test_a_photo_painted_as_itself_comes_back_nearly() -> None:
    photo = np.asarray(scene(120, 80).filter(ImageFilter.GaussianBlur(1)))
    result = raised(photo, 2, lambda small: small)
    assert np.abs(result.astype(int) - photo).mean() < 6


def test_only_a_photo_with_more_pixels_is_painted_small_and_always_in_its_proportions() -> None:
    edge = int((NEARLY * QUICK) ** 0.5)
    assert seen_size(asked(), "picture", edge, edge) == (edge, edge)
    assert seen_size(asked(pixels="every"), "picture", 4000, 3000) == (4000, 3000)
    assert seen_size(asked(), "builtin", 4000, 3000) == (4000, 3000)
    for width, height in ((4000, 3000), (12_000, 600), (900, 8000)):
        wide, high = seen_size(asked(), "picture", width, height)
        assert wide * high == pytest.approx(QUICK, rel=0.02)
        assert wide / high == pytest.approx(width / height, rel=0.02)
    finer = seen_size(asked(style_size=0.5), "picture", 4000, 3000)
    assert finer[0] == pytest.approx(2 * seen_size(asked(), "picture", 4000, 3000)[0], 0.01)


def test_quick_takes_less_of_everything_than_every_pixel() -> None:
    rates = {"picture": 1.0, "lift": 0.1}
    quick, every = (
        reckon(asked(pixels=how, style="", style_picture="1" * 64), 4000, 3000, 4, rates) for how in ("quick", "every")
    )
    assert quick.seconds is not None
    assert every.seconds is not None
    assert quick.seconds == pytest.approx(QUICK / 1e6 + 1.2, rel=0.01)
    assert quick.seconds < every.seconds / 5
    assert quick.bytes < every.bytes / 1.5


def test_a_large_photo_is_painted_quickly_unless_every_pixel_is_wanted(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo = saved(scene(760, 500))
    glass = saved(scene(40, 40).rotate(90))
    quick, every = (result(pipeline, tmp_path, photo, glass, pixels=how) for how in ("quick", "every"))
    assert "rate_lift" in quick.facts
    assert "rate_lift" not in every.facts
    small = saved(scene(90, 62))
    one, other = (painted(pipeline, tmp_path, small, glass, pixels=how) for how in ("quick", "every"))
    assert one.tobytes() == other.tobytes()


def test_masks_strength_colours_and_mixed_styles_go_with_a_quick_painting(
    pipeline: StylePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.style.reckoning.QUICK", 1500)
    photo, glass = scene(90, 62), saved(scene(40, 40).rotate(90))
    mask = half_mask(photo.size)
    turn = FreeTurn(tmp_path, {digest(mask): mask})
    settings: dict[str, Any] = {"mask": digest(mask), "mask_soft": 0, "strength": 0.7, "colors": "matched"}
    parts = [{"style": "red-weave", "weight": 0.5}]
    other = painted(pipeline, tmp_path, saved(photo), glass, turn, parts=parts, detail=0.5, **settings)
    assert other.size == photo.size
    left, right = (0, 0, 45, 62), (45, 0, 90, 62)
    assert far(other.crop(right), photo.crop(right)) == 0
    assert far(other.crop(left), photo.crop(left)) > 5


def test_a_recipe_that_does_not_name_the_detail_is_painted_as_it_was() -> None:
    assert StyleRequest.as_it_was({"style": "ember-glow"})["pixels"] == "every"
    assert StyleRequest.as_it_was({"style": "ember-glow", "pixels": "quick"})["pixels"] == "quick"
    assert StyleRequest.as_it_was({"keep_colors": True})["colors"] == "photo"
