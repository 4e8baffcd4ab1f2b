"""Training the sticker model on a zip of pictures: tiny networks, real steps, kills, divergence, and its file."""

from __future__ import annotations

import io
import itertools
import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from pipelines.base import ATTEMPT, Cancelled, Event, Mark, Metrics, Progress, Result, Sample
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.sticker import own_result, own_session, own_training
from pipelines.sticker.own_examples import load_examples
from pipelines.sticker.own_request import StickerTrainingRequest
from pipelines.sticker.own_training import StickerTrainingPipeline
from pipelines.sticker.own_weights import pack, unpack
from pipelines.sticker.stage_flow import FlowStage
from pipelines.sticker.trainer import Trainer
from pipelines.sticker.transformer import StickerTransformer
from pipelines.training.checkpoints import CheckpointFolder
from tests.own import drawn, own_zip
from tests.stickers import tiny_stickers
from tests.unit.tiny_diffusers import stable_diffusion
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "tests ask for it", 0, 1)
PICTURES = "a" * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stickers(tmp_path_factory.mktemp("model") / "stickers")


@pytest.fixture(autouse=True)
def few_steps_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_result, "STEPS", 2)


def asked(**settings: Any) -> StickerTrainingRequest:
    """A request that ends after 6 steps."""
    small = {"pictures": PICTURES, "steps": 6, "seconds": 0, "batch": 4, "seed": 7}
    return StickerTrainingRequest.parse(small | settings)


def turn(folder: Path, data: bytes | None = None, **more: Any) -> FreeTurn:
    folder.mkdir(exist_ok=True)
    return FreeTurn(folder, {PICTURES: own_zip(20) if data is None else data}, **more)


def pipeline(model: Path, device: Device = CPU) -> StickerTrainingPipeline:
    made = StickerTrainingPipeline()
    made.load(model, device, lambda *_: None)
    return made


def train(model: Path, request: StickerTrainingRequest, where: FreeTurn, device: Device = CPU) -> list[Event]:
    return list(pipeline(model, device).run(request, where))


def result(events: list[Event]) -> Result:
    assert isinstance(events[-1], Result)
    return events[-1]


def weights(events: list[Event]) -> dict[str, Tensor]:
    return safetensors.torch.load(result(events).artifacts[0].data)


def state(folder: Path) -> dict[str, Tensor]:
    """Everything in the newest checkpoint: weights, averages, moments, chance."""
    checkpoints = CheckpointFolder(folder / ATTEMPT)
    return checkpoints.load(checkpoints.paths()[0])[1]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def marks(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Mark)]


def test_a_run_reads_trains_shows_and_leaves_weights_and_stickers(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_session, "READ_EVERY", 0.0)
    events = train(model, asked(name=" My dogs "), turn(tmp_path))
    assert pickle.loads(pickle.dumps(events)) == events
    stages = [stage for stage, _ in itertools.groupby(e.stage for e in events if isinstance(e, Progress))]
    assert stages == ["reading", "training", "saving"]
    metrics = [event for event in events if isinstance(event, Metrics)]
    assert [event.steps for event in metrics] == [(step,) for step in range(1, 7)]
    assert all(tuple(event.series) == own_session.SERIES for event in metrics)
    samples = [event for event in events if isinstance(event, Sample)]
    assert [samples[0].step, samples[-1].step] == [0, 6]
    assert samples[0].picture.data != samples[-1].picture.data
    made = result(events)
    assert [one.name for one in made.artifacts] == ["stickers.safetensors", "samples.png"]
    assert {one.title for one in made.artifacts} == {"My dogs"}
    with Image.open(io.BytesIO(made.artifacts[1].data)) as sheet:
        assert (sheet.size, sheet.mode) == ((4 * 256 + 3 * 8, 4 * 256 + 3 * 8), "RGBA")
    assert made.facts["steps"] == 6
    assert made.facts["pictures"] == 20
    assert made.facts["seed"] == 7


def test_the_file_says_what_it_is_and_draws_as_the_average_did(model: Path, tmp_path: Path) -> None:
    one = pipeline(model)
    events = list(one.run(asked(), turn(tmp_path)))
    data = result(events).artifacts[0].data
    assert one._parts is not None
    assert one._trainer is not None
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])["__metadata__"]
    assert json.loads(header["captions"])[:2] == ["sad dog 0", "happy cat 1"] or "sad dog" in header["captions"]
    assert json.loads(header["steps"]) == 6
    assert json.loads(header["settings"])["seed"] == 7
    network, found = unpack(data, one._parts.transformer, header["space"])
    assert found == header
    for mine, kept in zip(network.parameters(), one._trainer.average.parameters(), strict=True):
        assert torch.equal(mine, kept.to(torch.bfloat16).float())


@pytest.mark.parametrize("killed_at", [1, 2, 5])
def test_a_training_that_was_killed_goes_on_bit_for_bit(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Whatever came after the last checkpoint is lost with the process, and done again the same."""
    whole = train(model, asked(), turn(tmp_path / "whole"))
    monkeypatch.setattr(own_session, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(own_session, "SAVE_SHARE", 1e9)
    run = pipeline(model).run(asked(), turn(tmp_path / "killed"))
    for event in run:  # what is under way when the process dies is simply never taken
        if isinstance(event, Metrics) and event.steps[-1] == killed_at:
            break
    del run
    again = turn(tmp_path / "killed", b"the zip is not read again")
    events = train(model, asked(), again)
    assert marks(events) == [f"resumed at step {killed_at - 1}"]
    assert same(weights(whole), weights(events))
    assert same(state(tmp_path / "whole"), state(tmp_path / "killed"))


@pytest.mark.parametrize("where", ["between two steps", "amid a step"])
def test_an_interrupted_training_keeps_its_last_whole_step_and_goes_on_bit_for_bit(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    whole = train(model, asked(), turn(tmp_path / "whole"))
    stopped = turn(tmp_path / "stopped")
    stopped.interrupted = True
    one = pipeline(model)
    advance = Trainer.advance

    def until_the_fourth(trainer: Trainer, share: float, parts: int, pause: Callable[[], None]) -> None:
        if trainer.step == 3:
            stopped.cancel_after = stopped.checkpoints + 1
        advance(trainer, share, parts, pause if where == "amid a step" else lambda: None)

    monkeypatch.setattr(Trainer, "advance", until_the_fourth)
    with pytest.raises(Cancelled):
        list(one.run(asked(), stopped))
    monkeypatch.undo()
    events = train(model, asked(), turn(tmp_path / "stopped"))
    assert marks(events) == [f"resumed at step {3 if where == 'amid a step' else 4}"]
    assert same(weights(whole), weights(events))


def test_a_finished_training_that_is_resumed_gives_its_result_again(model: Path, tmp_path: Path) -> None:
    first, second = (train(model, asked(), turn(tmp_path)) for _ in range(2))
    assert same(weights(first), weights(second))


def test_a_torn_checkpoint_is_passed_over_and_one_of_other_settings_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_session, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(own_session, "SAVE_SHARE", 1e9)
    train(model, asked(), turn(tmp_path))
    with pytest.raises(StudioError, match=r"other settings \(batch\)"):
        train(model, asked(batch=5), turn(tmp_path))
    newest = CheckpointFolder(tmp_path / ATTEMPT).paths()[0]
    newest.write_bytes(newest.read_bytes()[:500])
    said = marks(train(model, asked(steps=7), turn(tmp_path)))
    assert said[-1] == "resumed at step 5"
    assert "checkpoint-000000006" in said[0]


def test_the_same_seed_trains_the_same_and_nothing_outside_is_touched(model: Path, tmp_path: Path) -> None:
    runs = [
        weights(train(model, asked(seed=seed), turn(tmp_path / name))) for name, seed in zip("ab", (1, 2), strict=True)
    ]
    one = pipeline(model)
    before = torch.random.get_rng_state()
    again = weights(list(one.run(asked(seed=1), turn(tmp_path / "c"))))
    assert torch.equal(before, torch.random.get_rng_state())
    assert same(runs[0], again)
    assert not same(runs[1], again)


def test_it_begins_with_the_models_weights_or_with_none(model: Path, tmp_path: Path) -> None:
    def moved(start: str) -> float:
        made = weights(train(model, asked(start=start, steps=1), turn(tmp_path / start)))
        shipped = safetensors.torch.load_file(model / "transformer" / "diffusion_pytorch_model.safetensors")
        return max(float((made[name].float() - shipped[name].float()).abs().max()) for name in made)

    assert moved("stickers") < 0.01
    assert moved("nothing") > 0.3
    assert asked().learning_rate == 2e-4
    assert asked(start="nothing").learning_rate == 1e-3
    assert asked(start="nothing", learning_rate=0.01).learning_rate == 0.01


def test_the_loss_falls(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_session, "READ_EVERY", 0.0)
    events = train(model, asked(start="nothing", steps=60, batch=8, learning_rate=1e-2), turn(tmp_path))
    losses = [event.series["loss"][0] for event in events if isinstance(event, Metrics)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_ending_early_keeps_what_was_learned_and_a_cancel_leaves_nothing(model: Path, tmp_path: Path) -> None:
    events = train(model, asked(steps=1000), turn(tmp_path / "a", finish_after=25))
    assert 0 < int(result(events).facts["steps"]) < 30
    one = pipeline(model)
    with pytest.raises(Cancelled):
        list(one.run(asked(steps=1000), turn(tmp_path / "b", cancel_after=30)))
    assert one.bytes_held() > 0
    one.unload()
    assert one.bytes_held() == 0


def test_a_cancel_is_heard_while_the_pictures_are_read(model: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        train(model, asked(), turn(tmp_path, cancel_after=1))
    assert not list(tmp_path.rglob("*.safetensors"))


def _poison(monkeypatch: pytest.MonkeyPatch, when: set[int], times: int = 1) -> None:
    """Spoils the network before the steps in ``when``, as an overflow would, up to ``times`` times."""
    loss, seen, left = FlowStage.loss, itertools.count(), [times]

    def spoiled(self: FlowStage) -> Tensor:
        if next(seen) in when and left[0]:
            left[0] -= 1
            with torch.no_grad():
                next(self.net.parameters()).fill_(torch.nan)
        return loss(self)

    monkeypatch.setattr(FlowStage, "loss", spoiled)


def test_numbers_that_are_none_send_it_back_at_half_the_rate(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_session, "READ_EVERY", 0.0)
    _poison(monkeypatch, {3})
    events = train(model, asked(), turn(tmp_path))
    assert marks(events) == ["diverged at step 4: back to 0, learning rate halved"]
    assert result(events).facts["rollbacks"] == 1
    assert result(events).facts["steps"] == 6
    assert all(torch.isfinite(value).all() for value in weights(events).values())


def test_a_training_that_diverges_every_time_says_so(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _poison(monkeypatch, set(range(1000)), times=1000)
    with pytest.raises(StudioError, match=r"learning rate below 0\.0002"):
        train(model, asked(), turn(tmp_path))


def test_what_the_zip_holds_besides_is_marked_and_kept_in_the_facts(model: Path, tmp_path: Path) -> None:
    events = train(model, asked(steps=1), turn(tmp_path, own_zip(20, **{"7.png": drawn(), "bad one.png": "no"})))
    assert marks(events) == ["2 files of the zip left out"]
    assert "Damaged, and left out: 1 (bad one.png)." in str(result(events).facts["left_out"])


def test_a_zip_of_which_too_little_can_be_decoded_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="The zip holds 19 pictures that can be learned from"):
        train(model, asked(), turn(tmp_path, own_zip(19, **{"bad one.png": "no"})))


class Elsewhere(FreeTurn):
    """Somebody else has the device at every checkpoint for ten times as long as a part of a step takes."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.away = 0.0

    @property
    def device_seconds(self) -> float:
        return super().device_seconds - self.away

    def checkpoint(self) -> None:
        began = time.monotonic()
        time.sleep(0.02)
        super().checkpoint()
        self.away += time.monotonic() - began


def test_a_step_is_taken_in_parts_and_waits_between_them_take_no_time(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_training, "TOGETHER", 2)
    tmp_path.joinpath("a").mkdir()
    where = Elsewhere(tmp_path / "a", {PICTURES: own_zip(20)})
    began = time.monotonic()
    parted = train(model, asked(batch=6, steps=20), where)
    wall = time.monotonic() - began
    assert where.checkpoints > 20 * 4
    assert where.away > 20 * 4 * 0.02
    assert float(result(parted).facts["seconds"]) < wall - where.away
    monkeypatch.setattr(own_training, "TOGETHER", 4)
    two = weights(train(model, asked(batch=5, steps=2), turn(tmp_path / "b")))
    assert same(two, weights(train(model, asked(batch=5, steps=2), turn(tmp_path / "c"))))


def test_examples_of_another_zip_or_model_are_not_taken_for_these(model: Path, tmp_path: Path) -> None:
    train(model, asked(steps=1), turn(tmp_path))
    path = tmp_path / ATTEMPT / "examples.safetensors"
    assert load_examples(path, "something else", torch.device("cpu"), torch.float32) is None
    path.write_bytes(path.read_bytes()[:100])
    assert load_examples(path, "x", torch.device("cpu"), torch.float32) is None


def test_half_precision_trains_too(model: Path, tmp_path: Path) -> None:
    device = Device("cpu", "test", "bfloat16", "tests ask for it", 0, 1)
    events = train(model, asked(), turn(tmp_path), device)
    assert state(tmp_path)["net.leave.weight"].dtype == torch.float32
    assert all(torch.isfinite(value).all() for value in weights(events).values())


def test_another_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    stable_diffusion(tmp_path / "sd")
    with pytest.raises(StudioError, match="Only the sticker model can be trained on your pictures, and sd is another"):
        pipeline(tmp_path / "sd")


def test_a_request_without_any_end_is_refused() -> None:
    with pytest.raises(StudioError, match="would never end"):
        asked(steps=0)


def network(**changes: Any) -> StickerTransformer:
    torch.manual_seed(0)
    sizes = {"outer_width": 64, "outer_depth": 1, "inner_depth": 1, "inner_width": 64, "text_width": 32}
    return StickerTransformer(**sizes | changes)


def refusal(data: bytes, space: str = "here") -> str:
    with pytest.raises(StudioError) as caught:
        unpack(data, network(), space)
    return str(caught.value)


def test_weights_that_are_not_a_training_of_this_model_are_refused() -> None:
    good = pack(network(), "here", {"steps": 1})
    assert unpack(good, network(), "here")[1]["steps"] == "1"
    assert "another sticker model" in refusal(good, "elsewhere")
    assert "another sticker model" in refusal(pack(network(inner_depth=2), "here", {}))
    assert "not a whole safetensors file" in refusal(good[:-10])
    assert "not a whole safetensors file" in refusal(b"\x80\x02}q\x00.")
    tensors = {name: value.to(torch.bfloat16) for name, value in network().state_dict().items()}
    assert "not made by training" in refusal(safetensors.torch.save(tensors))
    header = {"format": "atelier-sticker-transformer/1", "space": "here"}
    header["network"] = json.loads(good[8 : 8 + int.from_bytes(good[:8], "little")])["__metadata__"]["network"]
    fewer = {name: value for name, value in tensors.items() if name != "places"}
    assert "its tensor places is missing" in refusal(safetensors.torch.save(fewer, header))
    wide = {**tensors, "places": torch.zeros(1, 64, 65, dtype=torch.bfloat16)}
    assert "its tensor places is (1, 64, 65)" in refusal(safetensors.torch.save(wide, header))
    nan = {**tensors, "places": torch.full((1, 64, 64), torch.nan, dtype=torch.bfloat16)}
    assert "no numbers" in refusal(safetensors.torch.save(nan, header))
    whole = {**tensors, "places": torch.zeros(1, 64, 64)}
    assert "float32, not bfloat16" in refusal(safetensors.torch.save(whole, header))
