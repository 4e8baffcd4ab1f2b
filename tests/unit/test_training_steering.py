"""A training that is steered while it runs: what a change does, what is told of it, and that a resume knows of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.base import Cancelled, Event, Mark, Metrics, Result, Sample, Scalar, Steered
from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training import session
from pipelines.training.checkpoints import Position
from pipelines.training.loop import Loop
from pipelines.training.recipe_names import RECIPES
from pipelines.training.session import Session
from tests.unit.training_runs import CPU, state, tiny, train
from tests.unit.turns import FreeTurn

Plan = Mapping[int, Mapping[str, Any]]


class HeldTurn(FreeTurn):
    """Somebody turns dials: ``plan`` says after which step what. Cut off once ``last`` steps are done."""

    def __init__(self, workspace: Path, plan: Plan, last: int = 10**9, room: int = 10**9) -> None:
        workspace.mkdir(exist_ok=True)
        super().__init__(workspace, room=room)
        self.plan = dict(plan)
        self.last = last

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        changes = self.plan.pop(self.session.loop.step, None)
        return () if changes is None else (self.session.request.steering(changes),)

    def checkpoint(self) -> None:
        if self.session.loop.step >= self.last and self.session.loop.step not in self.plan:
            raise Cancelled

    def run(self, request: TrainingRequest) -> list[Event]:
        self.session = Session(request, self, CPU)
        return list(self.session.events())


def marks(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Mark)]


def values(events: list[Event]) -> list[Mapping[str, Scalar]]:
    return [event.values for event in events if isinstance(event, Steered)]


def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(session, "SAVE_SHARE", 1e9)


def test_a_change_is_heard_at_the_next_step_and_marked_in_words(tmp_path: Path) -> None:
    plan = {3: {"learning_rate": 0.0005, "d_rate": 2}, 5: {"gamma": 0}}
    events = HeldTurn(tmp_path, plan).run(tiny(steps=8))
    told = [event for event in events if isinstance(event, Mark)]
    assert marks(events) == ["learning rate 0.001 → 0.0005", "learning rate of D / G 1 → 2", "penalty weight 1 → 0"]
    assert [mark.step for mark in told] == [3, 3, 5]
    assert told[0].values == {"setting": "learning_rate", "old": "0.001", "new": "0.0005"}
    assert [(now["learning_rate"], now["d_rate"], now["gamma"]) for now in values(events)] == [
        (0.001, 1, 1),
        (0.0005, 2, 1),
        (0.0005, 2, 0),
    ]


def test_what_is_steered_is_what_the_optimizers_do(tmp_path: Path) -> None:
    turn = HeldTurn(tmp_path, {2: {"learning_rate": 0.004, "d_rate": 0.5}})
    turn.run(tiny(steps=3))
    rates = {name: one.param_groups[0]["lr"] for name, one in turn.session.loop.recipe.optimizers.items()}
    assert rates == {"g": 0.004, "d": 0.002}


OTHER: Mapping[str, Any] = {
    "learning_rate": 0.0123,
    "d_rate": 0.123,
    "d_steps": 3,
    "gamma": 12.3,
    "penalty_every": 1,
    "label_smoothing": 0.3,
    "instance_noise": 0.5,
    "beta": 7.0,
    "warmup": 0.9,
    "free_bits": 2.0,
    "averaging": 0.1,
    "cooling": 1.0,
    "augment": "off",
    "dynamic_rates": True,
    "sample_balance": True,
    "gradient_penalty": False,
}


def copied(loop: Loop) -> tuple[Position, dict[str, torch.Tensor]]:
    position, tensors = loop.state()
    return position, {name: tensor.clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_setting_that_may_change_changes_what_is_learned(recipe: str) -> None:
    loop = Loop(tiny(recipe=recipe, steps=8, penalty_every=2, gradient_penalty=True), CPU)
    loop.recipe.balance.restore({"told": [1.0] * 50, "factor": 0.5})  # so that a helper has something to do
    begun = copied(loop)

    def learned(**changes: Any) -> dict[str, torch.Tensor]:
        loop.restore(*begun)
        loop.steer(changes)
        for _ in range(2):
            loop.advance()
        return copied(loop)[1]

    plain = learned()
    for name in RECIPES[recipe].steerable:
        other = learned(**{name: OTHER[name]})
        assert any(not torch.equal(value, other[key]) for key, value in plain.items()), name
    assert all(torch.equal(value, plain[key]) for key, value in learned().items())


@pytest.mark.parametrize(("side", "still"), [("g", "d"), ("d", "g")])
def test_one_step_of_one_side_alone_leaves_the_other_and_the_step(side: str, still: str) -> None:
    loop = Loop(tiny(), CPU)
    loop.advance()
    before = copied(loop)[1]
    loop.alone(side)
    after = copied(loop)[1]
    learning = {f"{name}.adam" for name in ("g", "d")}
    moved = {name.split("/")[0] for name in after if not torch.equal(after[name], before[name])} & learning
    assert moved == {f"{side}.adam"}
    weights = [name for name in after if name.startswith(f"{still}/") and name.endswith(("weight", "bias"))]
    assert all(torch.equal(after[name], before[name]) for name in weights)
    assert (loop.step, loop.unread, loop.lone) == (1, 1, 1)


def test_the_curves_go_on_after_a_lone_step_as_if_it_had_not_been_counted(tmp_path: Path) -> None:
    events = HeldTurn(tmp_path, {2: {"only": "d"}, 4: {"only": "g"}}).run(tiny(steps=6))
    assert marks(events) == ["one step of D alone", "one step of G alone"]
    assert [step for event in events if isinstance(event, Metrics) for step in event.steps] == [1, 2, 3, 4, 5, 6]


def test_who_gives_a_rate_gets_it_though_the_training_had_slowed_down(tmp_path: Path) -> None:
    turn = HeldTurn(tmp_path, {})
    turn.run(tiny(steps=2))
    loop = turn.session.loop
    loop.slow_down(0.25, 2)
    assert loop.values["learning_rate"] == 0.00025
    loop.steer({"learning_rate": 0.0005})
    assert (loop.values["learning_rate"], loop.recipe.dials.rate("g"), loop.rollbacks) == (0.0005, 0.0005, 2)


@pytest.mark.parametrize("recipe", ["r1", "vae"])
def test_interrupted_at_ten_random_steps_and_steered_in_between_it_ends_bit_for_bit_the_same(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    plan: dict[int, dict[str, Any]] = {
        4: {"learning_rate": 0.002},
        11: {"averaging": 0.9},
        17: {"learning_rate": 0.0003},
    }
    plan |= (
        {20: {"beta": 3, "free_bits": 0.5}} if recipe == "vae" else {8: {"only": "d"}, 20: {"d_steps": 2, "gamma": 3}}
    )
    request = tiny(recipe=recipe, steps=30)
    HeldTurn(tmp_path / "whole", plan).run(request)
    turn, resumed = HeldTurn(tmp_path / "broken", plan), 0
    for last in sorted(chance.sample(range(1, 30), 10)):
        monkeypatch.setattr(session, "SAVE_EVERY", chance.choice([0.0, 0.005, 0.02]))
        monkeypatch.setattr(session, "SAVE_SHARE", 1e9)
        turn = HeldTurn(tmp_path / "broken", turn.plan, last)
        with pytest.raises(Cancelled):
            turn.run(request)
        resumed += 1
    HeldTurn(tmp_path / "broken", turn.plan).run(request)
    assert resumed == 10
    ends = state(tmp_path / "whole"), state(tmp_path / "broken")
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_a_change_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:
    turn = HeldTurn(tmp_path, {3: {"learning_rate": 0.002}}, last=3)
    with pytest.raises(Cancelled):  # at the first checkpoint after the change, as a kill there would
        turn.run(tiny())
    again = HeldTurn(tmp_path, {})
    events = again.run(tiny())
    assert marks(events) == ["resumed at step 3"]
    assert values(events)[0]["learning_rate"] == 0.002


def test_a_rollback_keeps_what_a_person_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_always(monkeypatch)
    turn = HeldTurn(tmp_path, {2: {"gamma": 3.0}})
    turn.session = Session(tiny(steps=6), turn, CPU)
    spoiled = False
    events = []
    for event in turn.session.events():
        events.append(event)
        if turn.session.loop.step == 4 and not spoiled:
            spoiled = True
            with torch.no_grad():
                next(turn.session.loop.recipe.modules["d"].parameters()).fill_(torch.nan)
    assert any("diverged" in text for text in marks(events))
    assert values(events)[-1]["gamma"] == 3.0
    assert values(events)[-1]["learning_rate"] == 0.0005


def refused(changes: Mapping[str, Any], **settings: Any) -> str:
    with pytest.raises(StudioError) as caught:
        tiny(**settings).steering(changes)
    return str(caught.value)


def test_what_cannot_be_is_refused_with_the_rule_and_the_value() -> None:
    assert refused({"learning_rate": 3}) == "learning_rate must be at most 0.1; you gave 3."
    assert refused({"d_steps": 0}) == "d_steps must be at least 1; you gave 0."
    assert refused({"gamma": float("nan")}) == "gamma must be a number, not NAN."
    assert refused({"only": "both"}).startswith("only must be one of 'g' or 'd'")
    assert refused({}).startswith("Say what is to change")


def test_a_setting_the_recipe_has_no_use_for_is_refused_with_those_it_has() -> None:
    assert refused({"beta": 1.0}).startswith("beta cannot be changed while r1 trains; what can is learning_rate")
    assert "width cannot be changed" in refused({"width": 8})
    assert refused({"only": "g"}, recipe="vae").startswith("only cannot be changed while vae trains")


def test_values_come_through_in_the_types_of_the_request() -> None:
    assert tiny().steering({"learning_rate": "0.01", "d_steps": 2.0}) == {"learning_rate": 0.01, "d_steps": 2}


def test_a_pipeline_alone_runs_without_anybody_steering(tmp_path: Path) -> None:
    events = train(tiny(steps=2), FreeTurn(tmp_path))
    assert isinstance(events[-1], Result)
    assert [event.step for event in events if isinstance(event, Sample)] == [0, 2]
