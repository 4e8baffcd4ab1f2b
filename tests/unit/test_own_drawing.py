"""Drawing with a network that was trained on a person's pictures, in place of the sticker model's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.base import Result
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.pipeline import ImagePipeline
from pipelines.requests import ImageRequest
from pipelines.sticker import own_drawing, own_result
from pipelines.sticker.own_examples import space_of
from pipelines.sticker.own_request import StickerTrainingRequest
from pipelines.sticker.own_training import StickerTrainingPipeline
from pipelines.sticker.own_weights import pack
from pipelines.sticker.pipeline import StickerPipeline
from tests.own import own_zip
from tests.stickers import tiny_stickers
from tests.unit.tiny_diffusers import stable_diffusion
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "tests ask for it", 0, 1)
PICTURES, WEIGHTS, OTHER = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stickers(tmp_path_factory.mktemp("model") / "stickers")


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file that a training of a few large steps left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_result, "STEPS", 2)
        values = {"pictures": PICTURES, "steps": 8, "seconds": 0, "batch": 4, "learning_rate": 0.1, "seed": 1}
        one = StickerTrainingPipeline()
        one.load(model, CPU, lambda *_: None)
        turn = FreeTurn(tmp_path_factory.mktemp("job"), {PICTURES: own_zip(20)})
        *_, result = one.run(StickerTrainingRequest.parse(values | {"name": "My dogs"}), turn)
    assert isinstance(result, Result)
    return result.artifacts[0].data


@pytest.fixture(scope="module")
def stickers(model: Path) -> ImagePipeline:
    pipeline = ImagePipeline()
    pipeline.load(model, CPU, lambda *_: None)
    return pipeline


def asked(**changes: Any) -> ImageRequest:
    small = {"prompt": "sad dog", "steps": 2, "guidance": 3, "width": 256, "height": 256, "seed": 3}
    return ImageRequest.parse(small | changes)


def painted(pipeline: ImagePipeline, request: ImageRequest, files: dict[str, bytes], folder: Path) -> Result:
    *_, result = pipeline.run(request, FreeTurn(folder, files))
    assert isinstance(result, Result)
    return result


def test_a_picture_is_drawn_with_the_trained_network_for_this_request_only(
    stickers: ImagePipeline, trained: bytes, tmp_path: Path
) -> None:
    plain, own, again = (
        painted(stickers, asked(weights=weights), {WEIGHTS: trained}, tmp_path) for weights in (None, WEIGHTS, None)
    )
    assert own.artifacts[0].data != plain.artifacts[0].data
    assert again.artifacts[0].data == plain.artifacts[0].data
    assert own.facts["trained_on"] == "My dogs"
    assert "trained_on" not in plain.facts
    assert asked(weights=WEIGHTS).files() == (WEIGHTS,)
    assert asked().files() == ()


def test_a_few_networks_are_kept_counted_and_read_once(model: Path, tmp_path: Path) -> None:
    pipeline = ImagePipeline()
    pipeline.load(model, CPU, lambda *_: None)
    alone = pipeline.bytes_held()
    parts = pipeline._pipe
    assert isinstance(parts, StickerPipeline)
    one = sum(t.numel() * t.element_size() for t in parts.transformer.state_dict().values())
    files = {f"{n:064x}": pack(parts.transformer, space_of(parts.vae), {}) for n in range(own_drawing.KEPT + 2)}
    for count, digest in enumerate(files, 1):
        painted(pipeline, asked(weights=digest, steps=1), files, tmp_path)
        assert pipeline.bytes_held() == alone + min(count, own_drawing.KEPT) * one
    newest = list(files)[-1]
    painted(pipeline, asked(weights=newest, steps=1), {}, tmp_path)  # without the file at hand
    with pytest.raises(KeyError):
        painted(pipeline, asked(weights=next(iter(files)), steps=1), {}, tmp_path)
    pipeline.unload()
    assert pipeline.bytes_held() == 0


def test_a_file_that_is_no_such_network_is_refused(stickers: ImagePipeline, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="These weights cannot be drawn with: it is not a whole safetensors file"):
        painted(stickers, asked(weights=OTHER), {OTHER: own_zip(20)}, tmp_path)
    parts = stickers._pipe
    assert isinstance(parts, StickerPipeline)
    elsewhere = pack(parts.transformer, "elsewhere", {})
    with pytest.raises(StudioError, match="another sticker model"):
        painted(stickers, asked(weights=OTHER), {OTHER: elsewhere}, tmp_path)


def test_other_models_refuse_such_weights_with_a_sentence(trained: bytes, tmp_path: Path) -> None:
    pipeline = ImagePipeline()
    pipeline.load(stable_diffusion(tmp_path / "sd"), CPU, lambda *_: None)
    with pytest.raises(StudioError, match=r"for the sticker model, and StableDiffusionPipeline was chosen\."):
        painted(pipeline, asked(weights=WEIGHTS, width=64, height=64), {WEIGHTS: trained}, tmp_path)


def test_the_latents_have_the_same_name_in_every_format_they_are_loaded_in(model: Path) -> None:
    names = set()
    for dtype in (torch.float32, torch.bfloat16):
        device = Device("cpu", "test", str(dtype).removeprefix("torch."), "tests ask for it", 0, 1)
        pipeline = ImagePipeline()
        pipeline.load(model, device, lambda *_: None)
        assert isinstance(pipeline._pipe, StickerPipeline)
        names.add(space_of(pipeline._pipe.vae))
    assert len(names) == 1
