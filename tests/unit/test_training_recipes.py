"""What sets recipes apart in a step, what may change between two steps, and what each shows."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.training import datasets
from pipelines.training.data import floats
from pipelines.training.loop import Loop
from pipelines.training.recipe_names import RECIPES
from tests.unit.training_runs import CPU, tiny


def loop_of(recipe: str, **settings: Any) -> Loop:
    return Loop(tiny(recipe=recipe, **settings), CPU)


def after(loop: Loop, steps: int = 1) -> dict[str, Tensor]:
    """A copy of the state ``steps`` later."""
    for _ in range(steps):
        loop.advance()
    return {name: tensor.clone() for name, tensor in loop.recipe.state().items()}


def spike_of(loop: Loop) -> int | None:
    """The first step whose losses are not sound."""
    limits = RECIPES[loop.request.recipe].limits
    return loop.read().spike(limits + (math.inf,) * (len(loop.series) - len(limits)))


def same(one: dict[str, Tensor], other: dict[str, Tensor], beginning: str) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one if name.startswith(beginning))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_weight_of_every_network_learns(recipe: str, conditional: bool) -> None:
    loop = loop_of(recipe, conditional=conditional)
    before, now = after(loop, 0), after(loop, 2)
    names = {
        f"{name}/{key}" for name in loop.recipe.optimizers for key, _ in loop.recipe.modules[name].named_parameters()
    }
    still = {name for name in names if torch.equal(before[name], now[name])}
    free = {"d/verdict.bias"} if recipe in ("wgan-gp", "r3gan") else set()  # only differences count there
    if recipe == "hinge":  # and there, as long as no picture is beyond the margin
        still.discard("d/verdict.bias")
    assert still == free
    assert spike_of(loop) is None


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_learns_in_half_precision_and_keeps_whole_weights(recipe: str) -> None:
    half = Device("cpu", "test", "bfloat16", "tests ask for it", 0, 1)
    loop = Loop(tiny(recipe=recipe, conditional=True), half)
    state = after(loop, 2)
    assert spike_of(loop) is None
    assert all(tensor.dtype != torch.bfloat16 for tensor in state.values())


def test_the_discriminator_takes_its_steps_for_each_of_the_generators() -> None:
    state = after(loop_of("wgan-gp", d_steps=3), 2)
    assert state["d.adam/conv1.weight.step"].item() == 6
    assert state["g.adam/project.weight.step"].item() == 2


def test_a_dial_is_heard_at_the_next_step() -> None:
    loop = loop_of("r1")
    one = after(loop)
    loop.recipe.dials.learning_rate = 0.0
    two = after(loop)
    assert same(one, two, "d/conv")
    loop.recipe.dials.learning_rate, loop.recipe.dials.d_rate = 0.01, 1e-30
    three = after(loop)
    assert same(two, three, "d/conv")
    assert not same(two, three, "g/conv")


def test_a_training_that_slowed_itself_down_keeps_the_ratio_of_the_two_rates() -> None:
    loop = loop_of("hinge", learning_rate=0.01)
    loop.slow_down(0.5, 1)
    loop.advance()
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in loop.recipe.optimizers.items()}
    assert rates == {"g": pytest.approx(0.005), "d": pytest.approx(0.01)}


@pytest.mark.parametrize(
    ("recipe", "setting", "counts"),
    [
        ("dcgan", {"label_smoothing": 0.3}, True),
        ("hinge", {"label_smoothing": 0.3}, False),
        ("hinge", {"instance_noise": 0.3}, True),
        ("r1", {"gamma": 5.0}, True),
        ("lsgan", {"beta": 5.0}, False),
        ("vae", {"free_bits": 5.0, "warmup": 0.0}, True),
        ("vae", {"instance_noise": 0.3, "d_steps": 4}, False),
    ],
)
def test_a_setting_counts_where_the_recipe_names_it_and_nowhere_else(
    recipe: str, setting: dict[str, Any], counts: bool
) -> None:
    assert bool(set(setting) & set(RECIPES[recipe].settings)) is counts
    states = [after(loop_of(recipe, **{"warmup": 0.0, **given}), 2) for given in ({}, setting)]
    assert same(*states, "") is not counts


def test_instance_noise_fades_over_the_run_and_beta_comes() -> None:
    loop = loop_of("r1", instance_noise=0.4, steps=4)
    spreads = []
    for _ in range(4):
        loop.advance()
        spreads.append(loop.recipe.dials.noise_now)
    assert spreads == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_without_pressure_from_the_prior_codes_say_more() -> None:
    kl = []
    for beta in (0.0, 50.0):
        loop = loop_of("vae", beta=beta, warmup=0.0, steps=30)
        after(loop, 30)
        kl.append(loop.read().series(tuple(series.name for series in loop.series))["kl"][-1])
    assert kl[0] > 10 * kl[1]


def test_a_vae_reconstructs_better_after_a_moment() -> None:
    loop = loop_of("vae", steps=30)
    after(loop, 30)
    costs = loop.read().series(tuple(series.name for series in loop.series))["reconstruction"]
    assert costs[-1] < 0.8 * costs[0]


@pytest.mark.parametrize(("conditional", "edge"), [(False, 8), (True, 10)])
@pytest.mark.parametrize("recipe", ["r1", "vae"])
def test_the_grid_is_square_and_the_same_again(recipe: str, conditional: bool, edge: int) -> None:
    loop = loop_of(recipe, conditional=conditional)
    first, again = loop.show(), loop.show()
    assert first.pictures.shape == (edge * edge, 28, 28, 1)
    assert first.pictures.dtype == torch.uint8
    assert first.columns == edge
    assert torch.equal(first.pictures, again.pictures)


def test_a_vae_shows_pictures_of_the_data_left_of_their_copies_and_of_their_rows_class() -> None:
    loop = loop_of("vae", conditional=True)
    shown = loop.recipe.show()
    assert shown.split == 4
    rows = shown.pictures.view(10, 10, 28, 28)
    for label in range(10):
        known = floats(loop.data.images[loop.data.labels == label]).flatten(1)
        for column in (0, 2):
            assert (known == rows[label, column].flatten()).all(1).any()
            assert not (known == rows[label, column + 1].flatten()).all(1).any()


def test_classes_are_refused_where_the_data_has_none(monkeypatch: pytest.MonkeyPatch) -> None:

    plain = dataclasses.replace(datasets.DATASETS["mnist"], name="plain", classes=())
    monkeypatch.setitem(datasets.DATASETS, "plain", plain)
    assert not tiny(dataset="plain").conditional
    with pytest.raises(StudioError, match="The pictures of plain have no classes"):
        tiny(dataset="plain", conditional=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipes_defaults_are_settings_it_has_and_its_texts_are_in_both_languages(recipe: str) -> None:
    info = RECIPES[recipe]
    assert set(info.defaults) <= set(info.settings) <= set(type(tiny()).model_fields)
    assert all((info.title, info.title_zh, info.about, info.about_zh))
