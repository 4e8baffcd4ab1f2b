"""From a trained generator's file to pictures, and what is refused on the way."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from pipelines.base import Cancelled, Progress, Result
from pipelines.errors import StudioError
from pipelines.requests import SampleRequest
from pipelines.training.convolutional import UpsamplingGenerator
from pipelines.training.generator_file import pack, unpack
from pipelines.training.networks import build
from pipelines.training.sampler import SamplePipeline
from pipelines.training.shape import Shape
from tests.unit.training_runs import CPU, generator, result, tiny, train
from tests.unit.turns import FreeTurn

SHAPE = Shape(latent=4, width=4, channels=1, size=28)
NETWORK = build(UpsamplingGenerator, SHAPE, torch.Generator().manual_seed(1), torch.device("cpu"))
FILE = pack("upsampling", SHAPE, NETWORK, {"recipe": "r1", "steps": 3})
TOLD = Shape(latent=4, width=4, channels=1, size=28, classes=3)
CONDITIONAL = pack(
    "upsampling", TOLD, build(UpsamplingGenerator, TOLD, torch.Generator().manual_seed(1), torch.device("cpu")), {}
)


def sample(data: bytes, folder: Path, **settings: Any) -> Result:
    digest = hashlib.sha256(data).hexdigest()
    pipeline = SamplePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    request = SampleRequest.parse({"generator": digest, "seed": 3, **settings})
    events = list(pipeline.run(request, FreeTurn(folder, {digest: data})))
    last = events[-1]
    assert isinstance(last, Result)
    assert [event.done for event in events if isinstance(event, Progress)][-1] == request.count
    return last


def pixels(picture: bytes) -> Any:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image)


def test_what_was_trained_draws_what_was_shown(tmp_path: Path) -> None:
    events = train(tiny(), FreeTurn(tmp_path))
    made = unpack(generator(events), torch.device("cpu"))
    assert json.loads(made.header["settings"])["gamma"] == 1.0
    assert {"recipe", "dataset", "steps", "seconds", "seed", "versions", "data_sha256"} <= made.header.keys()
    drawn = sample(generator(events), tmp_path, count=4)
    assert drawn.facts["recipe"] == "r1"
    assert drawn.facts["dataset"] == "mnist"
    assert result(events).artifacts[0].media_type == "application/octet-stream"


def test_few_pictures_come_one_by_one_as_well_and_many_only_as_a_grid(tmp_path: Path) -> None:
    few, many, one = (sample(FILE, tmp_path, count=count).artifacts for count in (4, 40, 1))
    assert [item.name for item in few] == ["samples.png", *(f"sample-{n:02d}.png" for n in (1, 2, 3, 4))]
    assert [item.name for item in many] == ["samples.png"]
    assert [item.name for item in one] == ["samples.png"]
    assert pixels(few[1].data).shape == (252, 252)


def test_the_same_seed_gives_the_same_pictures_whatever_the_count(tmp_path: Path) -> None:
    four, nine, other = (
        sample(FILE, tmp_path, count=count, seed=seed).artifacts for count, seed in ((4, 3), (9, 3), (4, 4))
    )
    assert np.abs(pixels(four[2].data).astype(int) - pixels(nine[2].data)).max() <= 1  # batches round differently
    assert not np.array_equal(pixels(four[2].data), pixels(other[2].data))


def test_truncation_scales_the_noise_and_at_zero_all_pictures_are_one(tmp_path: Path) -> None:
    same = sample(FILE, tmp_path, count=3, truncation=0).artifacts[1:]
    assert len({item.data for item in same}) == 1
    free = sample(FILE, tmp_path, count=3, truncation=1).artifacts[1:]
    assert len({item.data for item in free}) == 3


def test_a_generator_that_knows_classes_draws_them_in_turn_or_the_one_asked_for(tmp_path: Path) -> None:
    every, second = (
        sample(CONDITIONAL, tmp_path, count=6, truncation=0, **asked).artifacts[1:] for asked in ({}, {"label": 1})
    )
    assert [item.data for item in every[:3]] == [item.data for item in every[3:]]
    assert len({item.data for item in every}) == 3
    assert {item.data for item in second} == {every[1].data}


@pytest.mark.parametrize(
    ("file", "reason"), [(FILE, "trained without classes"), (CONDITIONAL, "knows 3 classes, .* with the number 3")]
)
def test_a_class_a_generator_does_not_know_is_refused(file: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=reason):
        sample(file, tmp_path, label=3)


@pytest.mark.parametrize("recipe", ["classic", "vae"])
def test_a_conditional_training_leaves_a_generator_that_knows_the_classes_by_name(recipe: str, tmp_path: Path) -> None:
    events = train(tiny(recipe=recipe, conditional=True, steps=2), FreeTurn(tmp_path))
    made = unpack(generator(events), torch.device("cpu"))
    assert made.shape.classes == 10
    assert json.loads(made.header["classes"]) == [str(digit) for digit in range(10)]
    assert sample(generator(events), tmp_path, label=7).facts["label"] == 7


def test_a_file_from_before_there_were_classes_still_draws(tmp_path: Path) -> None:
    assert '"classes"' not in _with()[:1000].decode("latin-1")
    assert sample(_with(), tmp_path, count=1).artifacts


def test_a_cancel_ends_the_drawing(tmp_path: Path) -> None:
    digest = hashlib.sha256(FILE).hexdigest()
    pipeline = SamplePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    with pytest.raises(Cancelled):
        list(pipeline.run(SampleRequest(generator=digest, count=64), FreeTurn(tmp_path, {digest: FILE}, 1)))
    assert pipeline.bytes_held() == 0


def _with(network: dict[str, Any] | None = None, tensors: dict[str, torch.Tensor] | None = None) -> bytes:
    """Our file with another description or other tensors inside."""
    described = {"kind": "upsampling", "latent": 4, "width": 4, "channels": 1, "size": 28, **(network or {})}
    held = {**{name: value.contiguous() for name, value in NETWORK.state_dict().items()}, **(tensors or {})}
    return safetensors.torch.save(held, {"format": "atelier-generator/1", "network": json.dumps(described)})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a whole safetensors file"),
        (b"\x80\x04\x95 a pickle", "not a whole safetensors file"),
        (FILE[:-1], "not a whole safetensors file"),
        (FILE[:40], "not a whole safetensors file"),
        (safetensors.torch.save({"weight": torch.zeros(2)}), "not made by training here"),
        (safetensors.torch.save({}, {"format": "atelier-generator/1"}), "does not describe a network"),
        (safetensors.torch.save({}, {"format": "atelier-generator/1", "network": "[]"}), "does not describe a network"),
        (_with({"kind": "os.system"}), "its network is os.system"),
        (_with({"width": 10**9}), "its width is 1000000000"),
        (_with({"width": "4"}), "its width is 4"),
        (_with({"classes": 2}), "is needed"),
        (_with({"classes": -1}), "its classes is -1"),
        (_with({"size": 30}), "30 pixels"),
        (_with({"width": 8}), "is needed"),
        (_with({"depth": 8}), "does not describe a network"),
        (_with(tensors={"extra": torch.zeros(1)}), "its tensor extra"),
        (_with(tensors={"picture.bias": torch.tensor([torch.nan])}), "no numbers"),
        (_with(tensors={"picture.bias": torch.zeros(1, dtype=torch.float64)}), "its tensor picture.bias"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_with_the_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="not a generator that can be used") as caught:
        sample(data, tmp_path)
    assert reason in str(caught.value)
