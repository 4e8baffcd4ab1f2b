"""A training from request to result: events, budgets, ending early, cancels, pauses, divergence."""

from __future__ import annotations

import io
import itertools
import pickle
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipelines.base import Cancelled, Mark, Metrics, Progress, Sample
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training import session
from pipelines.training.gan import Gan
from pipelines.training.recipe_names import RECIPES
from tests.unit.training_runs import SlowTurn, pipeline, result, state, tiny, train, weights
from tests.unit.turns import FreeTurn


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_tells_every_step_once_and_ends_with_a_generator(recipe: str, tmp_path: Path) -> None:
    events = train(tiny(recipe=recipe), FreeTurn(tmp_path))
    metrics = [event for event in events if isinstance(event, Metrics)]
    assert list(itertools.chain.from_iterable(event.steps for event in metrics)) == list(range(1, 13))
    names = [series.name for series in RECIPES[recipe].series]
    assert all(list(event.series)[: len(names)] == names for event in metrics)
    gradients = {name: value for name, value in metrics[-1].series.items() if name not in names}
    assert all(name.endswith("_gradient") and min(values) > 0 for name, values in gradients.items())
    assert gradients
    assert all(len(values) == len(event.steps) for event in metrics for values in event.series.values())
    seconds = list(itertools.chain.from_iterable(event.seconds for event in metrics))
    assert seconds == sorted(seconds)
    assert [item.name for item in result(events).artifacts] == ["generator.safetensors", "samples.png"]
    assert result(events).facts["steps"] == 12
    assert result(events).facts["seed"] == 7


def test_events_are_plain_and_picklable(tmp_path: Path) -> None:
    events = train(tiny(), FreeTurn(tmp_path))
    assert pickle.loads(pickle.dumps(events)) == events


def test_a_sample_grid_comes_first_and_last_as_a_square_picture(tmp_path: Path) -> None:
    samples = [event for event in train(tiny(), FreeTurn(tmp_path)) if isinstance(event, Sample)]
    assert [samples[0].step, samples[-1].step] == [0, 12]
    with Image.open(io.BytesIO(samples[-1].picture.data)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (466, 466))
    assert samples[0].picture.data != samples[-1].picture.data


def test_steps_end_a_run_where_seconds_would_not(tmp_path: Path) -> None:
    events = train(tiny(steps=3, seconds=1000), FreeTurn(tmp_path))
    assert result(events).facts["steps"] == 3
    assert [event.unit for event in events if isinstance(event, Progress) and event.stage == "training"][-1] == "step"


def test_seconds_end_a_run_where_steps_would_not_and_pauses_take_none_of_them(tmp_path: Path) -> None:
    began = time.monotonic()
    turn = SlowTurn(tmp_path, pause=0.02)
    events = train(tiny(steps=1_000_000, seconds=0.25), turn)
    wall = time.monotonic() - began
    trained = result(events).facts["seconds"]
    assert isinstance(trained, float)
    assert 0.25 <= trained < 0.75  # one slow step on a busy machine is no pause
    assert wall - trained > 0.02 * turn.checkpoints
    last = [event for event in events if isinstance(event, Progress) and event.stage == "training"][-1]
    assert (last.done, last.total, last.unit) == (0.25, 0.25, "second")


def test_a_request_without_any_end_is_refused() -> None:
    with pytest.raises(StudioError, match="would never end"):
        tiny(steps=0, seconds=0)


def test_a_recipe_brings_its_own_defaults_and_a_person_overrides_them() -> None:
    assert TrainingRequest(recipe="dcgan").learning_rate == 2e-4
    assert TrainingRequest(recipe="dcgan", learning_rate=0.01).learning_rate == 0.01
    assert TrainingRequest().learning_rate != 2e-4
    with pytest.raises(StudioError, match="no training recipe named x; there are r1"):
        TrainingRequest.parse({"recipe": "x"})
    with pytest.raises(StudioError, match="no data set named x; there are fashion-mnist"):
        TrainingRequest.parse({"dataset": "x"})


def test_ending_early_keeps_what_was_learned(tmp_path: Path) -> None:
    events = train(tiny(steps=1000), FreeTurn(tmp_path, finish_after=4))
    steps = result(events).facts["steps"]
    assert steps == 5
    short = train(tiny(steps=5), FreeTurn(_folder(tmp_path / "short")))
    assert all(torch.equal(value, weights(short)[name]) for name, value in weights(events).items())


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def test_a_cancel_ends_the_run_and_leaves_no_tensor_behind(tmp_path: Path) -> None:
    one = pipeline()
    run = one.run(tiny(steps=1000), FreeTurn(tmp_path, cancel_after=3))
    next(run)
    assert one.bytes_held() > 5_000 * 784
    with pytest.raises(Cancelled):
        list(run)
    assert one.bytes_held() == 0


def test_the_same_seed_trains_the_same_generator_and_another_another(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (
        weights(train(tiny(seed=seed), FreeTurn(_folder(tmp_path / name))))
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(before, torch.random.get_rng_state())  # torch's global generator is nobody's


def test_a_fresh_seed_is_chosen_and_told(tmp_path: Path) -> None:
    seed = result(train(tiny(seed=-1, steps=1), FreeTurn(tmp_path))).facts["seed"]
    assert isinstance(seed, int)
    assert 0 <= seed < 2**32


def test_half_precision_trains_too(tmp_path: Path) -> None:
    device = Device("cpu", "test", "bfloat16", "tests ask for it", 0, 1)
    events = train(tiny(), FreeTurn(tmp_path), device)
    assert all(value.dtype != torch.bfloat16 for value in weights(events).values())


def _poison(monkeypatch: pytest.MonkeyPatch, when: set[int], times: int = 1) -> None:
    """Spoils a weight of the discriminator after each step in ``when``, as an overflow would, up to ``times`` times."""
    step, left = Gan.step, [times]

    def spoiled(self: Gan, number: int, rows: torch.Tensor) -> torch.Tensor:
        values = step(self, number, rows)
        if number in when and left[0]:
            left[0] -= 1
            with torch.no_grad():
                next(self.modules["d"].parameters()).fill_(torch.nan)
        return values

    monkeypatch.setattr(Gan, "step", spoiled)


def test_weights_that_are_no_numbers_send_it_back_at_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_EVERY", 0.0)
    _poison(monkeypatch, {5})
    events = train(tiny(), FreeTurn(tmp_path))
    marks = [event for event in events if isinstance(event, Mark)]
    assert [mark.text for mark in marks] == ["diverged at step 7: back to 0, learning rate halved"]
    assert result(events).facts["rollbacks"] == 1
    assert result(events).facts["steps"] == 12
    assert all(torch.isfinite(value).all() for value in state(tmp_path).values() if value.is_floating_point())
    steps = [step for event in events if isinstance(event, Metrics) for step in event.steps]
    assert steps == [1, 2, 3, 4, 5, 6, *range(1, 13)]


def test_a_spoiled_state_is_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SAVE_EVERY", 0.0)  # a save after every step, before the next loss would tell
    monkeypatch.setattr(session, "SAVE_SHARE", 1e9)
    _poison(monkeypatch, {5})
    events = train(tiny(), FreeTurn(tmp_path))
    assert [event.text for event in events if isinstance(event, Mark)] == [
        "diverged at step 6: back to 5, learning rate halved"
    ]


def test_where_the_last_checkpoint_fails_again_the_one_before_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(session, "SAVE_SHARE", 1e9)
    _poison(monkeypatch, {5}, times=2)
    events = train(tiny(), FreeTurn(tmp_path))
    assert [event.text.split(",")[0] for event in events if isinstance(event, Mark)] == [
        "diverged at step 6: back to 5",
        "diverged at step 6: back to 4",
    ]
    assert result(events).facts["rollbacks"] == 2


def test_a_training_that_cannot_be_saved_by_smaller_steps_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _poison(monkeypatch, set(range(100)), times=100)
    with pytest.raises(StudioError, match=r"learning rate below 0\.001"):
        train(tiny(), FreeTurn(tmp_path))


def test_a_learning_rate_that_is_far_too_large_is_brought_down(tmp_path: Path) -> None:
    events = train(tiny(learning_rate=0.1, steps=40), FreeTurn(tmp_path))
    assert any("learning rate halved" in event.text for event in events if isinstance(event, Mark))
    assert all(torch.isfinite(value).all() for value in weights(events).values() if value.is_floating_point())
