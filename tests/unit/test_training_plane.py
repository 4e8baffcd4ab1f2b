"""Points in the plane: the distributions, the modes that are counted, what is drawn, and every recipe on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.base import Sample
from pipelines.errors import StudioError
from pipelines.requests import SampleRequest
from pipelines.training.data import load_dataset
from pipelines.training.datasets import DATASETS
from pipelines.training.elbo import SPREAD, distance
from pipelines.training.generator_file import unpack
from pipelines.training.loop import Loop
from pipelines.training.plane import COUNT, MODES, Modes, modes_covered, points_of
from pipelines.training.plane_drawing import EDGE, FIELD, VIEW, draw_plane, field_places
from pipelines.training.recipe_names import PLANE, RECIPES
from pipelines.training.sampler import SamplePipeline
from tests.unit.training_runs import CPU, generator, result, tiny, train
from tests.unit.turns import FreeTurn

PLANES = [name for name, info in DATASETS.items() if info.plane]


@pytest.mark.parametrize("name", PLANES)
def test_points_are_the_same_each_time_and_all_are_seen(name: str) -> None:
    points, labels = points_of(name)
    assert points.shape == (COUNT, 2)
    assert np.abs(points).max() < VIEW
    assert (points == points_of(name)[0]).all()
    data, info = load_dataset(name), DATASETS[name]
    assert data.plane
    assert (data.batch(torch.arange(3)).flatten(1).numpy() == points[:3]).all()
    assert (
        torch.bincount(data.labels).tolist()
        == np.bincount(labels).tolist()
        == [COUNT // len(info.classes)] * len(info.classes)
    )


@pytest.mark.parametrize("name", MODES)
def test_the_data_covers_all_its_own_modes(name: str) -> None:
    points, labels = points_of(name)
    assert modes_covered(points[:2000], MODES[name]) == len(MODES[name].centres) == len(DATASETS[name].classes)
    assert modes_covered(points[labels < 3], MODES[name]) == 3


def test_a_mode_is_covered_by_a_hundredth_of_the_samples_within_three_spreads() -> None:
    modes = Modes(np.array([[0, 0], [1, 0]], np.float32), 0.1)
    samples = np.tile(np.array([[0.0, 0.0]], np.float32), (200, 1))
    samples[0] = (1.29, 0)
    assert modes_covered(samples, modes) == 1
    samples[1] = (1, -0.29)
    assert modes_covered(samples, modes) == 2
    samples[1] = (1.22, 0.22)  # within three spreads of each coordinate, but not of the centre
    assert modes_covered(samples, modes) == 1
    samples[1] = (np.nan, 0)
    assert modes_covered(samples, modes) == 1


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_learns_points(recipe: str, conditional: bool) -> None:
    loop = Loop(tiny(recipe=recipe, dataset="spiral", conditional=conditional), CPU)
    before = {name: tensor.clone() for name, tensor in loop.recipe.state().items()}
    for _ in range(3):
        loop.advance()
    names = {
        f"{name}/{key}" for name in loop.recipe.optimizers for key, _ in loop.recipe.modules[name].named_parameters()
    }
    still = {name for name in names if torch.equal(before[name], loop.recipe.state()[name])}
    assert still <= {"d/verdict.bias"}
    assert loop.read().spike((*RECIPES[recipe].limits, *[float("inf")] * len(loop.recipe.optimizers))) is None


@pytest.mark.parametrize("recipe", ["hinge", "wgan-gp", "vae"])
def test_looking_at_the_plane_changes_nothing_and_shows_the_same_again(recipe: str) -> None:
    loop = Loop(tiny(recipe=recipe, dataset="ring", conditional=True), CPU)
    loop.advance()
    before = {name: tensor.clone() for name, tensor in loop.recipe.state().items()}
    first, again = loop.show().drawn(), loop.show().drawn()
    assert first.size == (EDGE, EDGE)
    assert first.tobytes() == again.tobytes()
    assert all(torch.equal(before[name], tensor) for name, tensor in loop.recipe.state().items())
    assert all(module.training for name, module in loop.recipe.modules.items() if name != "average")


def test_the_field_is_teal_where_points_pass_and_up_is_up() -> None:
    above = (field_places()[:, 1] > 0).astype(np.float32).reshape(FIELD, FIELD) * 2 - 1
    drawn = draw_plane(np.zeros((0, 2), np.float32), field=above)
    (red, green, _), (red_below, green_below, _) = drawn.getpixel((250, 50)), drawn.getpixel((250, 450))  # type: ignore[misc]
    assert green > red
    assert red_below > green_below
    point = draw_plane(np.array([[0.0, VIEW / 2]], np.float32)).convert("L")
    assert np.unravel_index(np.asarray(point).argmax(), (EDGE, EDGE)) == pytest.approx((EDGE / 4, EDGE / 2), abs=2)


def test_a_point_that_is_no_number_is_not_drawn() -> None:
    nothing = draw_plane(np.zeros((0, 2), np.float32))
    assert draw_plane(np.array([[np.nan, np.inf]], np.float32)).tobytes() == nothing.tobytes()


def test_the_distance_of_a_copy_is_that_of_a_normal() -> None:
    points, copies = torch.zeros(3, 2, 1, 1), torch.full((3, 2, 1, 1), 0.1)
    normal = torch.distributions.Normal(copies.flatten(1), SPREAD)
    expected = (normal.log_prob(copies.flatten(1)) - normal.log_prob(points.flatten(1))).sum(1).mean()
    assert distance(copies, points).item() == pytest.approx(expected.item(), rel=1e-5)


def test_points_have_defaults_of_their_own_and_larger_pictures_a_heavier_penalty() -> None:
    request = tiny(dataset="ring")
    assert (request.gamma, tiny(dataset="mnist").gamma) == (RECIPES["r1"].plane["gamma"], 1.0)
    assert RECIPES["lsgan"].defaults_at(1)["latent"] == PLANE["latent"]
    assert [RECIPES["r1"].defaults_at(size)["gamma"] for size in (28, 32, 64)] == [1.0, 1.3, 5.2]
    assert RECIPES["wgan-gp"].defaults_at(64)["gamma"] == 10.0


def test_a_training_on_the_plane_draws_the_plane_and_its_generator_draws_points(tmp_path: Path) -> None:
    events = train(tiny(dataset="ring"), FreeTurn(tmp_path))
    grids = [event.picture for event in events if isinstance(event, Sample)]
    assert {(grid.width, grid.height) for grid in grids} == {(EDGE, EDGE)}
    data = generator(events)
    assert unpack(data, torch.device("cpu")).shape.plane
    sampler = SamplePipeline()
    sampler.load(None, CPU, lambda *_: None)
    turn = FreeTurn(tmp_path, {"a" * 64: data})
    found = result(list(sampler.run(SampleRequest(generator="a" * 64, count=9, seed=1), turn)))
    assert [artifact.name for artifact in found.artifacts] == ["samples.png"]
    assert found.facts["data_credit"] == result(events).facts["data_credit"] == DATASETS["ring"].credit


def test_a_generator_of_points_with_pictures_is_refused(tmp_path: Path) -> None:
    data = generator(train(tiny(dataset="ring", steps=1), FreeTurn(tmp_path)))
    assert b'\\"size\\":1' in data or b'\\"size\\": 1' in data
    changed = data.replace(b'\\"size\\": 1', b'\\"size\\": 4')
    with pytest.raises(StudioError, match="its network is points, and it makes pictures of 4 pixels"):
        unpack(changed, torch.device("cpu"))
