"""What the painters do beyond one style on one photo: optimisation, blends, masks, colours, sizes, scores, a sheet."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.base import Cancelled, Preview, Result
from pipelines.errors import StudioError
from pipelines.style import objective
from pipelines.style.arbitrary import BOTTLENECK, Transformer
from pipelines.style.bands import Plane
from pipelines.style.colors import histogram, matching
from pipelines.style.features import Features
from pipelines.style.gatys import optimised
from pipelines.style.lines import box, with_lines
from pipelines.style.masks import Mask
from pipelines.style.multistyle import STYLES, MultiStyle
from pipelines.style.objective import Objective, tiles, wanted_grams, whole_grams
from pipelines.style.painter import paint
from pipelines.style.pipeline import StylePipeline
from pipelines.style.reckoning import NUMBERS, plan, reckon
from pipelines.style.request import StyleRequest
from pipelines.style.styles import ASSETS
from pipelines.style.weights import fill
from tests.unit.test_style_pipeline import DEVICE, digest, events, far, loaded, painted, result, saved, scene
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")
GLASS = ASSETS / "examples" / "styles" / "leaded-glass.jpg"


@pytest.fixture(scope="module")
def pipeline() -> StylePipeline:
    return loaded(DEVICE)


@pytest.fixture(scope="module")
def features() -> Features:
    return fill(Features(), ASSETS / "style" / "vgg.safetensors", torch.device("cpu"))[0]


def nobody() -> None:
    """Nobody else wants the device."""


def tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


def asked(**settings: Any) -> StyleRequest:
    return StyleRequest.parse({"photo": "0" * 64, **settings})


def half_mask(size: tuple[int, int], color: str = "white") -> bytes:
    """Bright on the left half."""
    mask = Image.new("RGB", size, "black")
    mask.paste(Image.new("RGB", (size[0] // 2, size[1]), color), (0, 0))
    return saved(mask)


# ----------------------------------------------------------------------------------------- optimisation


def test_the_loss_of_tiles_and_its_gradient_are_those_of_the_whole(features: Features) -> None:
    photo, other = tensor(scene(144, 128)), tensor(scene(144, 128).rotate(180))
    wanted = whole_grams(features, tensor(Image.open(GLASS).convert("RGB").resize((96, 96))), nobody)
    whole = Objective(features, photo, wanted, nobody, edge=200)
    cut = Objective(features, photo, wanted, nobody, edge=64)
    assert (len(whole.tiles), len(cut.tiles)) == (1, 6)
    (loss, slope), (loss_cut, slope_cut) = whole(other), cut(other)
    assert loss_cut == pytest.approx(loss, rel=1e-4)
    assert float((slope - slope_cut).norm() / slope.norm()) < 1e-3


def test_tiles_cover_each_pixel_once() -> None:
    seen = np.zeros((136, 200), dtype=int)
    for tile in tiles(136, 200, 64):
        top, bottom, left, right = tile.inner
        seen[top:bottom, left:right] += 1
    assert seen.min() == seen.max() == 1


def test_an_optimisation_ends_with_a_smaller_loss_inside_the_range_of_colours(features: Features) -> None:
    photo, style = tensor(scene(64, 48)), tensor(Image.open(GLASS).convert("RGB").resize((64, 64)))
    steps = list(optimised(features, photo, [(1.0, style)], 12, nobody))
    assert [step.number for step in steps] == list(range(1, 13))
    assert steps[-1].best.shape == photo.shape
    assert steps[-1].loss < steps[0].loss / 2
    assert 0 <= float(steps[-1].best.min()) <= float(steps[-1].best.max()) <= 1
    shown = wanted_grams(features, [(1.0, style)], nobody)
    assert (
        Objective(features, photo, shown, nobody)(steps[-1].best)[0]
        < Objective(features, photo, shown, nobody)(photo)[0]
    )


def test_an_optimisation_is_told_of_each_evaluation_and_can_be_stopped_at_any(
    pipeline: StylePipeline, tmp_path: Path
) -> None:
    photo, style = saved(scene(64, 48)), saved(Image.open(GLASS).resize((64, 64)))
    settings: dict[str, Any] = {"engine": "finest", "steps": 10, "edge": 128}
    whole = FreeTurn(tmp_path)
    assert painted(pipeline, tmp_path, photo, style, turn=whole, **settings).size == (64, 48)
    assert whole.checkpoints >= 10
    for piece in (3, whole.checkpoints // 2):
        with pytest.raises(Cancelled):
            events(pipeline, tmp_path, photo, style, turn=FreeTurn(tmp_path, cancel_after=piece), **settings)


def test_an_optimisation_that_is_finished_early_keeps_the_best_so_far(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo, style = scene(64, 48), saved(Image.open(GLASS).resize((64, 64)))
    turn = FreeTurn(tmp_path, finish_after=16)
    kept = painted(pipeline, tmp_path, saved(photo), style, turn=turn, engine="finest", steps=500, edge=128)
    assert turn.checkpoints < 60
    assert far(kept, photo) > 1


def test_a_network_that_first_looked_for_scores_can_be_optimised_through(tmp_path: Path) -> None:
    fresh = loaded(DEVICE)
    style = saved(Image.open(GLASS).resize((64, 64)))
    painted(fresh, tmp_path, saved(scene(48, 48)), style, scores=True)
    assert painted(fresh, tmp_path, saved(scene(48, 48)), style, engine="finest", steps=10).size == (48, 48)


def test_steps_are_shared_out_from_coarse_to_fine_and_add_up() -> None:
    for steps in (10, 200, 333):
        assert sum(count for _, _, count in plan(512, 768, steps)) == steps
    assert [rows for rows, _, _ in plan(512, 768, 200)] == [128, 256, 512]
    assert plan(100, 100, 10) == [(96, 96, 10)]


# ------------------------------------------------------------------------------------- blends and masks


def test_styles_mix_by_weight_and_a_further_one_changes_the_painting(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo, glass = saved(scene()), GLASS.read_bytes()
    turn = FreeTurn(tmp_path, {digest(glass): glass})
    alone = painted(pipeline, tmp_path, photo, style="red-weave")
    other = painted(pipeline, tmp_path, photo, style="ember-glow")
    parts = [{"style": "ember-glow", "weight": 1}]
    even = painted(pipeline, tmp_path, photo, style="red-weave", parts=parts)
    little = painted(pipeline, tmp_path, photo, style="red-weave", parts=[{"style": "ember-glow", "weight": 0.05}])
    assert far(alone, little) < far(alone, even) < far(alone, other) + 20
    both = painted(pipeline, tmp_path, photo, style="red-weave", parts=[{"picture": digest(glass)}], turn=turn)
    assert far(alone, both) > 5


def test_four_styles_at_strength_0_give_the_photo_back(pipeline: StylePipeline, tmp_path: Path) -> None:
    parts = [{"style": style} for style in ("red-weave", "ember-glow", "teal-linocut")]
    same = painted(pipeline, tmp_path, saved(scene()), style="molten-red", parts=parts, strength=0, detail=1)
    assert far(same, scene()) == 0
    with pytest.raises(StudioError, match="at most 3"):
        asked(style="red-weave", parts=[*parts, {"style": "night-stipple"}])


@pytest.mark.parametrize("inverse", [False, True])
def test_only_what_the_mask_covers_is_painted(pipeline: StylePipeline, tmp_path: Path, inverse: bool) -> None:
    photo, mask = scene(), half_mask((90, 62))
    turn = FreeTurn(tmp_path, {digest(mask): mask})
    settings: dict[str, Any] = {"mask": digest(mask), "mask_soft": 0, "mask_inverse": inverse, "turn": turn}
    change = np.abs(np.asarray(painted(pipeline, tmp_path, saved(photo), style="red-weave", **settings), float) - photo)
    left, right = change[:, :44].mean(), change[:, 46:].mean()
    assert (left, right)[not inverse] == 0
    assert (left, right)[inverse] > 10


def test_soft_edges_go_over_gradually() -> None:
    hard, soft = (Mask(half_mask((100, 50)), (100, 50), width, False).whole() for width in (0, 20))
    assert set(np.unique(hard)) == {0, 255}
    row = soft[25].astype(int)
    assert row[0] > 250
    assert row[-1] < 5
    assert (np.diff(row) <= 0).all()
    assert len(np.unique(row)) > 10


def test_a_region_is_painted_in_its_own_style_alone(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo, mask = saved(scene()), half_mask((90, 62), "lime")
    turn = FreeTurn(tmp_path, {digest(mask): mask})
    first, second = (
        np.asarray(painted(pipeline, tmp_path, photo, style=style)) for style in ("red-weave", "ember-glow")
    )
    parts = [{"style": "ember-glow", "region": 2}]
    both = np.asarray(
        painted(pipeline, tmp_path, photo, style="red-weave", parts=parts, mask=digest(mask), mask_soft=0, turn=turn)
    )
    assert np.array_equal(both[:, 46:], first[:, 46:])
    assert np.array_equal(both[:, :44], second[:, :44])


def test_a_region_without_a_mask_is_refused() -> None:
    with pytest.raises(StudioError, match="Paint a mask"):
        asked(style="red-weave", parts=[{"style": "ember-glow", "region": 1}])


# ------------------------------------------------------------------------------- colours, lines and sizes


def test_the_older_word_for_the_photos_colours_means_the_same(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo = saved(scene())
    old = painted(pipeline, tmp_path, photo, style="red-weave", keep_colors=True)
    assert far(old, painted(pipeline, tmp_path, photo, style="red-weave", colors="photo")) == 0


def test_matched_colours_have_the_photos_histogram(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo = scene()
    plain, matched = (
        painted(pipeline, tmp_path, saved(photo), style="ink-and-yellow", colors=colors)
        for colors in ("style", "matched")
    )
    means = [np.asarray(picture, dtype=float).mean((0, 1)) for picture in (photo, plain, matched)]
    assert np.abs(means[2] - means[0]).max() < 6 < np.abs(means[1] - means[0]).max()


def test_a_histogram_matched_to_itself_changes_nothing() -> None:
    pixels = np.asarray(scene())
    counts = histogram(pixels)
    table = matching(counts, counts)
    assert all(np.array_equal(table[pixels[..., n], n], pixels[..., n]) for n in range(3))


def test_lines_of_the_photo_come_back_where_it_has_some_and_nowhere_else() -> None:
    photo = np.full((60, 120, 3), 0.8, np.float32)
    photo[20:40:4, 10:50] = 0.1  # letters on the left
    painting = np.random.default_rng(0).random((60, 120, 3)).astype(np.float32) * 0.3 + 0.4
    lined = with_lines(painting, photo, 1.0, 4)

    def alike(one: Any) -> float:
        return float(np.corrcoef(one[16:44, 10:50].mean(-1).ravel(), photo[16:44, 10:50].mean(-1).ravel())[0, 1])

    assert alike(painting) < 0.2 < 0.9 < alike(lined)
    assert np.abs(lined[:, 80:] - painting[:, 80:]).max() < 1e-3
    np.testing.assert_allclose(with_lines(painting, photo, 0.0, 4), painting, atol=1e-6)


def test_the_mean_around_a_pixel_is_of_those_there_are() -> None:
    values = np.random.default_rng(1).random((9, 7)).astype(np.float32)
    assert box(values, 1)[4, 3] == pytest.approx(values[3:6, 2:5].mean(), abs=1e-6)
    assert box(values, 1)[0, 0] == pytest.approx(values[:2, :2].mean(), abs=1e-6)
    np.testing.assert_allclose(box(values, 50), values.mean(), atol=1e-6)


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_strokes_of_any_size_leave_the_photos_size(pipeline: StylePipeline, tmp_path: Path, size: float) -> None:
    photo = saved(scene())
    sized = painted(pipeline, tmp_path, photo, style="red-weave", style_size=size)
    assert sized.size == (90, 62)
    assert far(sized, painted(pipeline, tmp_path, photo, style="red-weave")) > 3


# --------------------------------------------------------------------------------- reckoning and memory


def test_a_frugal_painting_is_the_same_painting() -> None:
    torch.manual_seed(0)
    photo = torch.from_numpy(np.asarray(scene(96, 64)).copy())
    stack = fill(MultiStyle(), ASSETS / "style" / "multistyle.safetensors", torch.device("cpu"))[0].stack(
        torch.eye(STYLES)[4]
    )

    def planes(frugal: bool) -> tuple[Plane, int]:
        pieces, done = paint(stack, photo, frugal), 0
        while True:
            try:
                done += next(pieces)
            except StopIteration as end:
                return end.value, done

    (whole, work), (lean, lean_work) = planes(False), planes(True)
    assert float((whole.read(0, 64) - lean.read(0, 64)).abs().max()) < 2e-3
    assert (work, lean_work) == (stack.work(64, 96), stack.work(64, 96, frugal=True))
    assert lean_work > work


def test_what_is_reckoned_with_is_what_the_networks_keep() -> None:
    built, any_picture = MultiStyle().stack(torch.eye(STYLES)[0]), Transformer().stack(torch.zeros(BOTTLENECK))
    assert NUMBERS["builtin"] == (built.numbers_per_pixel(False), built.numbers_per_pixel(True))
    assert NUMBERS["picture"] == (any_picture.numbers_per_pixel(False), any_picture.numbers_per_pixel(True))


def test_seconds_are_told_once_the_rate_is_known_and_grow_with_the_photo() -> None:
    request = asked(style="red-weave", pixels="every")
    assert reckon(request, 1000, 1000, 2, {}).seconds is None
    assert reckon(request, 2000, 1000, 2, {"builtin": 3.0}).seconds == pytest.approx(6.0)
    finest = asked(style="red-weave", engine="finest", steps=100)
    assert (
        reckon(finest, 4000, 3000, 2, {"finest": 1.0}).seconds == reckon(finest, 8000, 6000, 2, {"finest": 1.0}).seconds
    )
    assert reckon(request, 5000, 5000, 4, {}).bytes < 2.4e9


def test_a_trial_measures_every_engine_and_makes_nothing(pipeline: StylePipeline, tmp_path: Path) -> None:
    last = result(pipeline, tmp_path, saved(scene(300, 200)), what="trial")
    assert last.artifacts == ()
    assert all(float(last.facts[f"rate_{engine}"]) > 0 for engine in ("builtin", "picture", "finest"))
    assert last.facts["number_bytes"] == 4


# ------------------------------------------------------------------------------------- scores and sheet


def test_scores_say_what_was_kept_and_taken(pipeline: StylePipeline, tmp_path: Path) -> None:
    photo = saved(scene(200, 150))
    faint, full = (
        result(pipeline, tmp_path, photo, style="stained-glass", strength=strength, scores=True).facts
        for strength in (0.2, 1)
    )
    assert float(faint["content_kept"]) > float(full["content_kept"])
    assert float(faint["style_taken"]) < float(full["style_taken"])
    points = json.loads(str(full["among_strengths"]))
    assert [point[0] for point in points] == [0, 0.25, 0.5, 0.75, 1]
    assert points[0][1:] == [1, 0]
    assert points[-1][1:] == pytest.approx([full["content_kept"], full["style_taken"]], abs=0.02)


def test_the_sheet_has_all_styles_and_tells_where_each_is(pipeline: StylePipeline, tmp_path: Path) -> None:
    seen = events(pipeline, tmp_path, saved(scene(120, 80)), what="sheet")
    assert any(isinstance(event, Preview) for event in seen)
    last = seen[-1]
    assert isinstance(last, Result)
    sheet = Image.open(io.BytesIO(last.artifacts[0].data))
    facts = last.facts
    assert sheet.size == (facts["width"], facts["height"])
    cells = [
        np.asarray(sheet.crop((x, y, x + 120, y + 80)), dtype=float)
        for number in range(26)
        for x in [int(facts["gap"]) + number % int(facts["columns"]) * int(facts["cell_width"])]
        for y in [int(facts["gap"]) + number // int(facts["columns"]) * int(facts["cell_height"])]
    ]
    assert all(np.abs(cells[0] - cell).mean() > 3 for cell in cells[1:])


def test_half_precision_looks_and_optimises_too(tmp_path: Path) -> None:
    half = loaded(replace(DEVICE, dtype="bfloat16"))
    style = saved(Image.open(GLASS).resize((64, 64)))
    facts = result(half, tmp_path, saved(scene(64, 64)), style, engine="finest", steps=10, scores=True).facts
    assert 0 <= float(facts["style_taken"]) <= 1
    assert objective.STYLE_WEIGHT > 1
