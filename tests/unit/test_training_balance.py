"""The balance helpers: what they do to the discriminator, what they say of it, and that a resume goes on with them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.training import balance, helping
from pipelines.training.balance import LEAST, MOST, WINDOW, Balance
from pipelines.training.checkpoints import Position
from pipelines.training.helping import Helpers
from pipelines.training.loop import Loop
from pipelines.training.spectral import SpectralConv2d
from tests.unit.test_training_steering import HeldTurn, copied, marks
from tests.unit.training_runs import CPU, tiny


def watched(helper: Balance, right: float, steps: int = WINDOW) -> float:
    for _ in range(steps):
        helper.watch(right, rates=True)
    return helper.factor


def test_the_rate_is_halved_where_all_is_told_apart_and_doubled_where_nothing_is() -> None:
    helper = Balance()
    assert watched(helper, 0.98, WINDOW - 1) == 1.0
    assert watched(helper, 0.98, 1) == 0.5
    assert watched(helper, 0.98, WINDOW - 1) == 0.5  # judged anew over a whole window
    assert watched(Balance(), 0.75) == 1.0
    assert watched(Balance(factor=0.5), 0.5) == 1.0


def test_the_rate_stays_within_bounds() -> None:
    assert watched(Balance(), 1.0, 20 * WINDOW) == LEAST
    assert watched(Balance(), 0.0, 20 * WINDOW) == MOST


def test_updates_are_left_out_where_the_discriminator_is_far_ahead_and_added_where_it_is_behind() -> None:
    assert Balance().updates() == 1
    assert Balance(told=[0.95] * 10).updates() == 0
    assert Balance(told=[0.75] * 10).updates() == 1
    assert Balance(told=[0.5] * 10).updates() == 2
    assert Balance(told=[0.5] * 9).updates() == 1


def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers that judge at once and act on little."""
    for name, value in {"WINDOW": 3, "GLANCE": 2, "AHEAD": 0.6, "BEHIND": 0.55, "EASY": 0.6, "HARD": 0.55}.items():
        monkeypatch.setattr(balance, name, value)


def test_a_training_with_helpers_goes_on_bit_for_bit_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch)
    request = tiny(steps=20, dynamic_rates=True, sample_balance=True)
    whole, broken = Loop(request, CPU), Loop(request, CPU)
    for _ in range(10):
        whole.advance()
        broken.advance()
        position, tensors = copied(broken)
        broken = Loop(request, CPU)
        broken.restore(Position(**json.loads(json.dumps(asdict(position)))), tensors)
    assert whole.recipe.balance.factor != 1.0
    ends = copied(whole)[1], copied(broken)[1]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_a_discriminator_that_sits_out_a_step_is_only_asked() -> None:
    loop = Loop(tiny(sample_balance=True), CPU)
    loop.recipe.balance.told = [1.0] * WINDOW
    before = copied(loop)[1]
    loop.advance()
    after = copied(loop)[1]
    moments = [name for name in after if name.startswith("d.adam/")]
    assert all(torch.equal(after[name], before[name]) for name in moments)
    assert not torch.equal(after["g.adam/project.weight.exp_avg"], before["g.adam/project.weight.exp_avg"])
    loop.recipe.balance.told = [0.0] * WINDOW
    loop.advance()
    assert copied(loop)[1]["d.adam/conv1.weight.step"] == 2  # its own, and one more


def test_a_helper_that_is_off_leaves_the_rate_as_it_was_asked_for() -> None:
    loop = Loop(tiny(dynamic_rates=True, d_rate=2), CPU)
    loop.recipe.balance.factor = 0.25
    assert loop.recipe.rate("d") == 0.0005
    loop.steer({"dynamic_rates": False})
    assert (loop.recipe.rate("d"), loop.recipe.rate("g")) == (0.002, 0.001)


def test_what_they_did_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(tiny(dynamic_rates=True), CPU)
    helpers = Helpers(loop)
    loop.recipe.balance.told = [0.99] * (WINDOW - 1)
    loop.recipe.balance.watch(0.99, rates=True)
    loop.recipe.balance.skipped = 7
    assert [mark.text for mark in helpers.told()] == [
        "D tells 99 % apart: its rate halved to 0.0005",
        "D is far ahead: 7 updates left out",
    ]
    loop.recipe.balance.repeated = 3
    assert list(helpers.told()) == []  # not again within seconds
    monkeypatch.setattr(helping, "EVERY", 0.0)
    assert [mark.text for mark in helpers.told()] == ["D is behind: 3 updates more"]
    assert list(helpers.told()) == []


def test_helpers_are_switched_on_while_it_trains_and_speak_on_the_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried(monkeypatch)
    monkeypatch.setattr(helping, "EVERY", 0.0)
    events = HeldTurn(tmp_path, {1: {"dynamic_rates": True}}).run(tiny(steps=12))
    told = marks(events)
    assert told[0] == "dynamic learning rates on"
    assert any("its rate" in text for text in told[1:])


@pytest.mark.parametrize("recipe", ["lsgan", "dcgan", "dense-conv", "classic", "hinge"])
def test_a_recipe_without_a_penalty_can_be_given_one(recipe: str) -> None:
    def slope(**changes: Any) -> torch.Tensor:
        loop = Loop(tiny(recipe=recipe, penalty_every=1, gamma=50, **changes), CPU)
        loop.advance()
        return torch.cat([value.flatten() for name, value in loop.recipe.state().items() if "d.adam" in name])

    assert not torch.equal(slope(gradient_penalty=True), slope())


@pytest.mark.parametrize("recipe", ["r1", "lsgan"])
def test_a_discriminator_can_be_given_spectral_norm(recipe: str) -> None:
    found = Loop(tiny(recipe=recipe, spectral_norm=True), CPU).recipe.modules["d"]
    assert any(isinstance(layer, SpectralConv2d) for layer in found.modules())
