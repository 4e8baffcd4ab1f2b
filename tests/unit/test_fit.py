"""A time budget that chooses width and batch: the rule, the trial, and that a resume keeps what was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base import Mark
from pipelines.requests import TrainingRequest
from pipelines.training import session
from pipelines.training.checkpoints import CheckpointFolder
from pipelines.training.dials import Dials
from pipelines.training.fit import ENOUGH, FEW, Choice, choose, trial
from tests.unit.training_runs import CPU, state, tiny, train
from tests.unit.turns import FreeTurn


@pytest.mark.parametrize(
    ("speed", "expected"),
    [(FEW / 61, (16, 32)), (FEW / 59, (16, 64)), (ENOUGH / 31, (16, 64)), (ENOUGH / 29, (32, 64)), (1e6, (128, 64))],
)
def test_slow_machines_get_smaller_batches_and_fast_ones_wider_networks(
    speed: float, expected: tuple[int, int]
) -> None:
    """A machine that makes ``speed`` steps a second at width 16, and half as many at twice the width."""
    found = choose(TrainingRequest(seconds=60), lambda width, batch: speed * 16 / width)
    assert (found.width, found.batch) == expected


def test_a_wider_network_that_leaves_too_few_steps_is_not_taken() -> None:
    found = choose(TrainingRequest(seconds=60), lambda width, batch: 100.0 if width == 16 else 1.0)
    assert found == Choice(16, 64, 100.0, 60)


def test_a_trial_measures_real_steps_and_gives_way_after_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.training.fit.TRIAL", 0.01)
    turns: list[int] = []
    found = trial(tiny(dataset="ring", seconds=0.01, batch=16), CPU, None, lambda: turns.append(1))
    assert found.rate > 0
    assert turns


def test_what_was_chosen_is_marked_and_kept_by_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "trial", lambda *given: Choice(8, 12, 31.25, 600))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    asked = {"dataset": "ring", "seconds": 600, "fit": True}
    events = train(tiny(**asked, steps=6), FreeTurn(whole))
    marks = [event.text for event in events if isinstance(event, Mark)]
    assert marks == ["width 8, batch 12, averaging 0.999, cooling 0.3 chosen: 31.2 steps a second"]
    train(tiny(**asked, steps=2), FreeTurn(parts))
    monkeypatch.setattr(session, "trial", lambda *given: pytest.fail("a second trial"))
    train(tiny(**asked, steps=6), FreeTurn(parts))
    position, _ = CheckpointFolder(parts).load(CheckpointFolder(parts).paths()[0])
    chosen = {name: position.request[name] for name in ("width", "batch", "averaging", "cooling", "fit")}
    assert chosen == {"width": 8, "batch": 12, "averaging": 0.999, "cooling": 0.3, "fit": False}
    one, other = state(whole), state(parts)
    assert all(one[name].equal(other[name]) for name in one)


@pytest.mark.parametrize(("rate", "expected"), [(0.1, 0.98), (20, 0.9896), (50, 0.9958), (500, 0.999)])
def test_the_averaged_network_remembers_a_twelfth_of_the_steps_there_will_be(rate: float, expected: float) -> None:
    assert Choice(16, 64, rate, 60).averaging == expected


def test_learning_rates_stay_and_then_fall_evenly_to_a_tenth_over_the_cooling_at_the_end() -> None:
    dials = Dials.of(tiny(learning_rate=0.01, cooling=0.4, d_rate=2.0))
    found = []
    for share in (0.0, 0.6, 0.8, 1.0):
        dials.share = share
        found.append((dials.rate("g"), dials.rate("d")))
    assert found == [pytest.approx(pair) for pair in ((0.01, 0.02), (0.01, 0.02), (0.0055, 0.011), (0.001, 0.002))]
    dials.cooling = 0.0
    assert dials.rate("g") == 0.01


def test_without_a_time_budget_there_is_nothing_to_choose_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "trial", lambda *given: pytest.fail("a trial"))
    events = train(tiny(dataset="ring", fit=True), FreeTurn(tmp_path))
    assert not [event for event in events if isinstance(event, Mark)]
