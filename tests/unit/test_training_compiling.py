"""Compiled networks: the same steps, only where they pay, and a training goes on where nothing can be compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.base import Mark, Result
from pipelines.requests import TrainingRequest
from pipelines.training import session
from pipelines.training.compiling import FEWEST, Trial, trial, worth_a_trial
from pipelines.training.data import load_dataset
from pipelines.training.loop import Loop
from tests.unit.training_runs import CPU, tiny, train
from tests.unit.turns import FreeTurn

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # torch's own tracing looks there
]
#: traces and differentiates as a GPU's compiler is given it, and leaves out the generated code
TRACED = "aot_eager"


@pytest.mark.parametrize(("recipe", "dataset"), [("r1", "ring"), ("vae", "mnist")])
def test_compiled_networks_make_the_same_steps_penalties_included(recipe: str, dataset: str) -> None:
    request = tiny(recipe=recipe, dataset=dataset, batch=4, steps=9, seed=3)
    written, compiled = Loop(request, CPU), Loop(request, CPU)
    compiled.recipe.compile(TRACED)
    for loop in (written, compiled):
        for _ in range(5):  # r1's penalty is due at the first and at the fifth
            loop.advance()
    one, other = (torch.tensor(loop.read().values) for loop in (written, compiled))
    torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("delay", "gain", "pays"), [(29.0, 2.0, True), (31.0, 2.0, False), (0.0, 0.7, False), (70.0, 100.0, False)]
)
def test_compiling_pays_where_a_minute_with_it_has_more_steps(delay: float, gain: float, pays: bool) -> None:
    assert Trial(written=0.01, compiled=0.01 / gain, delay=delay).pays == pays


def test_it_is_tried_on_gpus_only_and_for_trainings_of_a_minute_or_more() -> None:
    gpu = replace(CPU, kind="cuda")
    assert worth_a_trial(TrainingRequest(seconds=60), gpu)
    assert worth_a_trial(TrainingRequest(seconds=0, steps=FEWEST), gpu)
    assert not worth_a_trial(TrainingRequest(seconds=59), gpu)
    assert not worth_a_trial(TrainingRequest(seconds=0, steps=FEWEST - 1), gpu)
    assert not worth_a_trial(TrainingRequest(seconds=60), CPU)


def test_a_trial_measures_both_and_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.training.compiling._found", {})
    times = iter([0.0, 6.0, 10.0, 22.0, 30.0, 33.0])
    asked = (tiny(dataset="ring", batch=8), CPU, load_dataset("ring"), lambda: next(times), TRACED)
    found = trial(*asked)
    assert found == Trial(written=0.1, compiled=0.05, delay=11.0)
    assert trial(*asked) is found, "with a clock that has stopped"


def marks(events: list[Any]) -> list[str]:
    assert isinstance(events[-1], Result)
    return [event.text for event in events if isinstance(event, Mark)]


def test_a_training_goes_on_compiled_where_that_pays_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "worth_a_trial", lambda *_: True)
    monkeypatch.setattr(session, "compile_trial", lambda *_: Trial(0.01, 0.004, 20.0))
    monkeypatch.setattr("pipelines.training.session.BACKEND", TRACED)
    events = train(tiny(dataset="ring", batch=8, steps=3), FreeTurn(tmp_path))
    assert marks(events) == ["networks compiled: 2.5 times the steps a second"]


def test_a_training_goes_on_as_it_is_where_nothing_can_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Trial:
        raise RuntimeError("no compiler was found")

    monkeypatch.setattr(session, "worth_a_trial", lambda *_: True)
    monkeypatch.setattr(session, "compile_trial", fail)
    events = train(tiny(dataset="ring", batch=8, steps=3), FreeTurn(tmp_path))
    assert marks(events) == ["networks not compiled (no compiler was found)"]
