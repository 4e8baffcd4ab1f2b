"""Training the networks: a kill costs nothing but time, and what was trained can be put together and opened."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.errors import StudioError
from pipelines.sticker import stage_upscaler
from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import Drawing
from pipelines.sticker.examples import Examples, prepare
from pipelines.sticker.network import Network
from pipelines.sticker.release import release
from pipelines.sticker.stage_autoencoder import AutoencoderStage
from pipelines.sticker.stage_flow import FlowStage
from pipelines.sticker.stage_upscaler import UpscalerStage
from pipelines.sticker.text import encode
from pipelines.sticker.trainer import Trainer
from pipelines.sticker.transformer import StickerTransformer
from tests.stickers import tiny_stickers

CPU = torch.device("cpu")
SMALL = {"outer_width": 64, "outer_depth": 1, "inner_width": 64, "inner_depth": 1}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> StickerData:
    """Twelve coloured squares with names, in memory."""
    random = np.random.default_rng(0)
    large = np.zeros((12, 256, 256, 4), np.uint8)
    for picture in large:
        top, left = random.integers(20, 120, 2)
        picture[top : top + 100, left : left + 100] = [*random.integers(0, 255, 3), 255]
    found = StickerData(Path("nowhere"))
    found.__dict__["pictures"] = large.reshape(12, 64, 4, 64, 4, 4).mean((2, 4)).round().astype(np.uint8)
    found.__dict__["drawings"] = tuple(
        Drawing("flat", f"thing-{place}", f"thing {place}", ("square",), "", (), "objects", "tool")
        for place in range(12)
    )
    found.__dict__["_large"] = large
    return found


def small_autoencoder() -> StickerAutoencoder:
    torch.manual_seed(0)
    return StickerAutoencoder(widths=(8, 8, 8), encoder_depth=(0, 0, 1), decoder_depth=(0, 0, 1)).eval()


def autoencoder_stage(data: StickerData) -> AutoencoderStage:
    return AutoencoderStage(data, CPU, batch=8, net=small_autoencoder().train())


def flow_stage(data: StickerData, folder: Path, muon: float = 0.02) -> FlowStage:
    words = folder / "words"
    if not words.exists():
        tiny_stickers(folder / "tiny", words)
    from transformers import AutoModel, AutoTokenizer

    tokenizer, encoder = AutoTokenizer.from_pretrained(words), AutoModel.from_pretrained(words)
    vae = small_autoencoder()
    examples = Examples(prepare(data, vae, folder, CPU), tokenizer, encoder, folder, CPU)
    torch.manual_seed(0)
    net = StickerTransformer(text_width=32, **SMALL)
    shown = encode(tokenizer, encoder, ["thing 1", "thing 2"])
    return FlowStage(examples, vae, shown, CPU, batch=4, muon=muon, fast=False, net=net)


def same(one: Network, other: Network) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(data: StickerData, tmp_path: Path) -> None:
    whole = Trainer(flow_stage(data, tmp_path), tmp_path / "whole")
    for _ in range(6):
        whole.advance()
    first = Trainer(flow_stage(data, tmp_path), tmp_path / "killed")
    for _ in range(4):
        first.advance()
    first.save()
    first.advance()  # this step is lost to the kill
    second = Trainer(flow_stage(data, tmp_path), tmp_path / "killed")
    assert second.resume()
    assert second.step == 4
    for _ in range(2):
        second.advance()
    assert same(whole.stage.net, second.stage.net)
    assert same(whole.average, second.average)


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(data: StickerData, tmp_path: Path) -> None:
    trainer = Trainer(autoencoder_stage(data), tmp_path)
    trainer.advance()
    trainer.save()
    trainer.advance()
    newest = trainer.save()
    newest.write_bytes(newest.read_bytes()[:1000])
    again = Trainer(autoencoder_stage(data), tmp_path)
    assert again.resume()
    assert again.step == 1


def test_a_checkpoint_of_other_settings_is_refused(data: StickerData, tmp_path: Path) -> None:
    trainer = Trainer(autoencoder_stage(data), tmp_path)
    trainer.advance()
    trainer.save()
    stage = AutoencoderStage(data, CPU, batch=8, net=StickerAutoencoder(widths=(8, 8, 16)))
    with pytest.raises(StudioError, match="is of other settings"):
        Trainer(stage, tmp_path).resume()


def test_every_stage_learns(data: StickerData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StickerData, "large", lambda self, numbers: self.__dict__["_large"][numbers])
    upscaler = UpscalerStage(data, small_autoencoder(), CPU, batch=8, rate=3e-3)
    assert all(number % stage_upscaler.KEPT_OUT for number in stage_upscaler.training_numbers(40, upscaler.random))
    for stage in (autoencoder_stage(data), flow_stage(data, tmp_path), upscaler):
        trainer = Trainer(stage, tmp_path / stage.name)
        losses = []
        for _ in range(6):
            for _ in range(10):
                trainer.advance()
            losses.append(trainer.loss())
        assert losses[-1] < 0.9 * losses[0], stage.name


def test_a_run_says_lines_and_leaves_a_checkpoint_and_a_sheet(data: StickerData, tmp_path: Path) -> None:
    trainer = Trainer(autoencoder_stage(data), tmp_path)
    lines = list(trainer.run(1.5 / 60, told=0.5))
    assert any("pictures/s" in line for line in lines)
    assert lines[-1].startswith("autoencoder: ")
    assert len(list(tmp_path.glob("checkpoint-*.safetensors"))) >= 1
    with Image.open(next(tmp_path.glob("autoencoder-*.webp"))) as sheet:
        assert sheet.width == 16 * 64


def test_the_learning_rate_warms_up_and_falls_at_the_end(data: StickerData, tmp_path: Path) -> None:
    trainer = Trainer(autoencoder_stage(data), tmp_path)
    group = trainer.stage.optimizers[0].param_groups[0]
    full = group["lr"]
    trainer.advance()
    assert group["lr"] == pytest.approx(full / 100)
    trainer.step = 500
    trainer.advance()
    assert group["lr"] == pytest.approx(full)
    trainer.advance(share=0.5)
    assert group["lr"] == pytest.approx(full / 2)


def test_numbers_that_are_none_end_the_training_with_a_sentence(data: StickerData, tmp_path: Path) -> None:
    trainer = Trainer(autoencoder_stage(data), tmp_path)
    with torch.no_grad():
        next(trainer.stage.net.parameters()).fill_(float("nan"))
    trainer.advance()
    with pytest.raises(StudioError, match="numbers that are none"):
        trainer.loss()


def test_examples_are_prepared_once_and_drawn_alike(data: StickerData, tmp_path: Path) -> None:
    first = flow_stage(data, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    again = flow_stage(data, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")} == files
    one = first._examples.draw(8, torch.Generator().manual_seed(3))
    two = again._examples.draw(8, torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_trained_networks_are_put_together_and_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="There is no flow in"):
        release(tmp_path / "model", tmp_path / "out")
    whole = tiny_stickers(tmp_path / "whole")
    for name, part in (("flow", "transformer"), ("autoencoder", "vae"), ("upscaler", "upscaler")):
        (whole / part).rename(whole / f"_{name}")
        (tmp_path / "model").mkdir(exist_ok=True)
        (whole / f"_{name}").rename(tmp_path / "model" / name)
    config = tmp_path / "model" / "flow" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_name_or_path": "/home/somebody/model"}))
    size = release(tmp_path / "model", tmp_path / "out")
    assert "somebody" not in (tmp_path / "out" / "transformer" / "config.json").read_text()
    assert size == sum(file.stat().st_size for file in (tmp_path / "out").rglob("*.safetensors"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model_index.json", "scheduler", "transformer", "upscaler", "vae",
    }  # fmt: skip
