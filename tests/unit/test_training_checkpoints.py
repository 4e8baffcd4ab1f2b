"""What a kill leaves, and that going on from it gives, bit for bit, what was never interrupted."""

from __future__ import annotations

import dataclasses
import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipelines.base import Cancelled, Event, Mark, Metrics
from pipelines.durable import PARTIAL
from pipelines.errors import StudioError
from pipelines.training import session
from pipelines.training.checkpoints import BrokenCheckpoint, CheckpointFolder, Position
from pipelines.training.loop import Loop
from pipelines.training.recipe_names import RECIPES
from tests.unit.training_runs import CPU, generator, pipeline, result, state, tiny, train, weights
from tests.unit.turns import FreeTurn

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"weight": torch.arange(6.0).view(2, 3)}


def save_every(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a save takes beside a tiny training."""
    monkeypatch.setattr(session, "SAVE_EVERY", seconds)
    monkeypatch.setattr(session, "SAVE_SHARE", 1e9)


def position(step: int) -> Position:
    return Position(step, step / 10, tiny().model_dump())


#: every clock and every draw a recipe may have
ALL_ON = {"conditional": True, "d_steps": 2, "instance_noise": 0.2, "label_smoothing": 0.1, "warmup": 0.5}


@pytest.mark.parametrize("settings", [{}, ALL_ON], ids=["plain", "all-on"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_interrupted_anywhere_it_ends_where_it_would_have_ended(
    recipe: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    request = tiny(recipe=recipe, steps=10, **settings)
    uninterrupted = train(request, FreeTurn(whole))
    chance = random.Random(5)
    for _ in range(2):  # each attempt saves at its own, random moments and is cut off at a random step
        save_every(chance.choice([0.0, 0.004, 0.02]), monkeypatch)
        with pytest.raises(Cancelled):
            train(request, FreeTurn(broken, cancel_after=chance.randint(2, 4)))
    resumed = train(request, FreeTurn(broken))
    assert any(isinstance(event, Mark) and "resumed at step" in event.text for event in resumed)
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(uninterrupted).items())
    ends = state(whole), state(broken)
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_an_interrupt_saves_the_very_step_it_comes_at_and_the_curve_has_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_every(1e9, monkeypatch)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    request = tiny(steps=40)
    uninterrupted = train(request, FreeTurn(whole))
    told: list[Event] = []
    turn = FreeTurn(broken, cancel_after=25)
    turn.interrupted = True
    with pytest.raises(Cancelled):
        told.extend(pipeline().run(request, turn))
    steps = [step for event in told if isinstance(event, Metrics) for step in event.steps]
    saved = CheckpointFolder(broken).load(CheckpointFolder(broken).paths()[0])[0].step
    assert steps == list(range(1, saved + 1))
    resumed = train(request, FreeTurn(broken))
    assert [event.text for event in resumed if isinstance(event, Mark)] == [f"resumed at step {saved}"]
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(uninterrupted).items())


def test_an_interrupt_saves_nothing_that_is_unsound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Loop.advance

    def spoiled(loop: Loop) -> None:
        advance(loop)
        if loop.step == 5:
            with torch.no_grad():
                for module in loop.recipe.modules.values():
                    for parameter in module.parameters():
                        parameter.fill_(torch.nan)

    monkeypatch.setattr(Loop, "advance", spoiled)
    monkeypatch.setattr(session, "READ_EVERY", 1e9)
    save_every(1e9, monkeypatch)
    request, turn = tiny(steps=40), FreeTurn(tmp_path)
    running = session.Session(request, turn, CPU)
    turn.interrupted = True
    turn.checkpoint = lambda: stop_after(running.loop, 5)  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        list(running.events())
    assert CheckpointFolder(tmp_path).load(CheckpointFolder(tmp_path).paths()[0])[0].step == 0


def stop_after(loop: Loop, step: int) -> None:
    if loop.step >= step:
        raise Cancelled


def test_a_resume_repeats_the_curve_it_lost_and_counts_its_seconds_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_every(0.0, monkeypatch)
    with pytest.raises(Cancelled):
        train(tiny(), FreeTurn(tmp_path, cancel_after=6))
    saved = CheckpointFolder(tmp_path).load(CheckpointFolder(tmp_path).paths()[0])[0]
    first = next(event for event in train(tiny(), FreeTurn(tmp_path)) if isinstance(event, Metrics))
    assert first.steps[0] == saved.step + 1
    assert first.seconds[0] > saved.seconds > 0


def test_a_finished_training_gives_its_result_again(tmp_path: Path) -> None:
    once = train(tiny(), FreeTurn(tmp_path))
    again = train(tiny(), FreeTurn(tmp_path))
    assert generator(once) == generator(again)
    assert not any(isinstance(event, Metrics) for event in again)


def test_a_training_may_go_on_for_longer(tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    train(tiny(steps=5), FreeTurn(tmp_path))
    longer = train(tiny(steps=12), FreeTurn(tmp_path))
    assert result(longer).facts["steps"] == 12
    assert torch.equal(
        weights(longer)["conv1.weight"], weights(train(tiny(), FreeTurn(tmp_path / "long")))["conv1.weight"]
    )


def test_other_settings_are_refused_with_both_values(tmp_path: Path) -> None:
    train(tiny(steps=2), FreeTurn(tmp_path))
    with pytest.raises(StudioError, match=r"begun with gamma 1\.0 and cannot go on with 3\.0"):
        train(tiny(gamma=3.0), FreeTurn(tmp_path))


#: what a request could hold, and a training of r1 had to keep, when the first checkpoints were written
FIRST_SETTINGS = "model recipe dataset seconds steps width batch latent learning_rate gamma penalty_every seed"
FIRST_TENSORS = {
    "g": "project.weight project.bias norm0.weight norm0.bias conv1.weight conv1.bias norm1.weight norm1.bias "
    "conv2.weight conv2.bias norm2.weight norm2.bias picture.weight picture.bias",
    "d": "conv1.weight conv1.bias conv2.weight conv2.bias hidden.weight hidden.bias verdict.weight verdict.bias",
}


def test_a_checkpoint_from_before_there_were_other_recipes_goes_on(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    loop = Loop(tiny(), CPU)
    loop.advance()
    position, tensors = loop.state()
    learned = {name for name in tensors if ".adam/" not in name and name.split("/")[0] in FIRST_TENSORS}
    expected = {f"{side}/{name}" for side, names in FIRST_TENSORS.items() for name in names.split()}
    assert {name for name in learned if ".running_" not in name and ".num_batches" not in name} == expected
    first = {name: position.request[name] for name in FIRST_SETTINGS.split()}
    CheckpointFolder(old).save(dataclasses.replace(position, request=first), tensors)
    resumed, fresh = train(tiny(), FreeTurn(old)), train(tiny(), FreeTurn(new))
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(fresh).items())
    with pytest.raises(StudioError, match="begun with conditional False and cannot go on with True"):
        train(tiny(conditional=True), FreeTurn(old))


def test_a_checkpoint_with_other_tensors_is_refused_in_a_sentence(tmp_path: Path) -> None:
    loop = Loop(tiny(), CPU)
    position, tensors = loop.state()
    tensors.pop("memory/penalty")
    CheckpointFolder(tmp_path).save(position, tensors)
    with pytest.raises(StudioError, match=r"of another version .* Start it anew"):
        train(tiny(), FreeTurn(tmp_path))


def test_a_training_without_a_seed_goes_on_with_the_one_it_was_given(tmp_path: Path) -> None:
    first = result(train(tiny(seed=-1, steps=2), FreeTurn(tmp_path))).facts["seed"]
    assert result(train(tiny(seed=-1, steps=4), FreeTurn(tmp_path))).facts["seed"] == first


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in (1, 2, 30):
        folder.save(position(step), SMALL)
    assert [path.name for path in folder.paths()] == [
        "checkpoint-000000030.safetensors",
        "checkpoint-000000002.safetensors",
    ]
    found, tensors = folder.load(folder.paths()[0])
    assert found == position(30)
    assert torch.equal(tensors["weight"], SMALL["weight"])


def test_a_kill_between_write_and_rename_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """Nothing of ours may catch it, as nothing catches a kill."""

    def die(self: Path, target: Path) -> Path:
        raise Killed

    folder = CheckpointFolder(tmp_path)
    folder.save(position(1), SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(Killed):
            folder.save(position(2), SMALL)
    assert [path.name.startswith(PARTIAL) for path in sorted(tmp_path.iterdir())] == [True, False]
    after = CheckpointFolder(tmp_path)
    after.sweep()
    assert after.load(after.paths()[0])[0].step == 1
    assert len(list(tmp_path.iterdir())) == 1


KILLED = """
import sys
from pathlib import Path
from pipelines.training import session
from tests.unit.training_runs import tiny, train
from tests.unit.turns import FreeTurn
session.SAVE_EVERY, session.SAVE_SHARE = 0.0, 1e9
train(tiny(steps=100000), FreeTurn(Path(sys.argv[1])))
"""


def test_kill_9_in_the_middle_of_training_leaves_a_checkpoint_that_goes_on(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not any(path.name >= "checkpoint-000000010" for path in tmp_path.glob("checkpoint-*.safetensors")):
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    folder = CheckpointFolder(tmp_path)
    step = folder.load(folder.paths()[0])[0].step
    assert result(train(tiny(steps=step + 2), FreeTurn(tmp_path))).facts["steps"] == step + 2
    assert not list(tmp_path.glob(f"{PARTIAL}*"))


def test_a_full_disk_is_a_sentence_and_the_checkpoint_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = CheckpointFolder(tmp_path)
    folder.save(position(1), SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StudioError, match="No space left on device"):
            folder.save(position(2), SMALL)
    assert folder.load(folder.paths()[0])[0].step == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", ["cut", "garbage", "foreign", "old"])
def test_what_is_no_checkpoint_is_called_broken(damage: str, tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.save(position(1), SMALL)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[:-3],
            "garbage": b"\x80\x04 this is a pickle, say",
            "foreign": safetensors.torch.save(SMALL),
            "old": whole.replace(b"checkpoint/1", b"checkpoint/0"),
        }[damage]
    )
    with pytest.raises(BrokenCheckpoint):
        folder.load(path)


def test_a_broken_newest_checkpoint_costs_only_the_steps_since_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_every(0.0, monkeypatch)
    with pytest.raises(Cancelled):
        train(tiny(), FreeTurn(tmp_path, cancel_after=6))
    newest, before = CheckpointFolder(tmp_path).paths()
    newest.write_bytes(newest.read_bytes()[:1000])
    events = train(tiny(), FreeTurn(tmp_path))
    marks = [event.text for event in events if isinstance(event, Mark)]
    assert newest.name in marks[0]
    assert marks[1] == f"resumed at step {int(before.stem.partition('-')[2])}"
    assert result(events).facts["steps"] == 12


def test_only_broken_checkpoints_are_refused_rather_than_silently_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-000000001.safetensors").write_bytes(b"nothing")
    with pytest.raises(StudioError, match="None of this training's checkpoints can be read"):
        train(tiny(), FreeTurn(tmp_path))
