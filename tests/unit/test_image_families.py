"""Every family that can be named by a hub id, through a tiny pipeline of its class: words, a picture, painting in."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING
from PIL import Image

from pipelines.base import Artifact, Cancelled, Preview, Result
from pipelines.devices import Device, Offload, on_device
from pipelines.errors import StudioError
from pipelines.image.families import methods_of_class, takes_loras_class
from pipelines.image.methods import class_for
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import METHODS, ImageRequest
from pipelines.pictures import open_picture
from tests.unit.tiny_families import FAMILIES
from tests.unit.turns import FreeTurn

CPU = Device("cpu", "test", "float32", "a test", 0, 1)
SOURCE, MASK = "a" * 64, "b" * 64
#: what each can do besides pictures from words
ALL = ("picture", "paint", "extend")
BESIDES = dict.fromkeys(FAMILIES, ALL) | {"PixArt": (), "Sana": ()}


def as_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def files() -> dict[str, bytes]:
    noise = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    mask = Image.new("L", (96, 64))
    mask.paste(255, (0, 0, 32, 64))
    return {SOURCE: as_png(Image.fromarray(noise)), MASK: as_png(mask)}


def turn(**more: int) -> FreeTurn:
    return FreeTurn(Path(), files(), **more)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImagePipeline]:
    root = tmp_path_factory.mktemp("families")
    found = {}
    for name, write in FAMILIES.items():
        pipeline = ImagePipeline()
        pipeline.load(write(root / name.replace(" ", "-")), CPU, lambda *_: None)
        found[name] = pipeline
    return found


def asked(**more: object) -> ImageRequest:
    settings = {"prompt": "a cat", "steps": 4, "width": 96, "height": 64, "seed": 7, "guidance": 3}
    return ImageRequest.parse({**settings, **more})


def begun(method: str, **more: object) -> ImageRequest:
    margins = {"extend_left": 32} if method == "extend" else {}
    return asked(method=method, source=SOURCE, mask=MASK, **margins, **more)


def paint(pipeline: ImagePipeline, request: ImageRequest, of: FreeTurn | None = None) -> Result:
    last = list(pipeline.run(request, of or turn()))[-1]
    assert isinstance(last, Result)
    return last


def pixels(artifact: Artifact) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(artifact.data)), np.int16)


@pytest.mark.parametrize("name", FAMILIES)
def test_words_become_a_picture_of_the_size_asked_for(models: dict[str, ImagePipeline], name: str) -> None:
    (artifact,) = paint(models[name], asked()).artifacts
    assert pixels(artifact).shape == (64, 96, 3)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seed_gives_the_same_picture_alone_and_in_a_batch(
    models: dict[str, ImagePipeline], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pipeline = models[name]
    monkeypatch.setattr(pipeline, "together", 3)
    batch = paint(pipeline, asked(count=3)).artifacts
    for artifact in batch:
        alone = paint(pipeline, asked(seed=artifact.facts["seed"])).artifacts[0]
        assert np.abs(pixels(alone) - pixels(artifact)).max() <= 1
    assert np.abs(pixels(batch[0]) - pixels(batch[1])).max() > 1


@pytest.mark.parametrize("name", FAMILIES)
def test_a_cancel_at_every_step_ends_at_once(models: dict[str, ImagePipeline], name: str) -> None:
    counting = turn()
    wanted = paint(models[name], asked(), counting).artifacts[0].data
    assert counting.checkpoints >= 1 + 4 + 1
    for when in range(1, counting.checkpoints + 1):
        of = turn(cancel_after=when)
        with pytest.raises(Cancelled):
            list(models[name].run(asked(), of))
        assert of.checkpoints == when
    assert paint(models[name], asked()).artifacts[0].data == wanted


@pytest.mark.parametrize("name", FAMILIES)
def test_previews_come_while_it_paints(models: dict[str, ImagePipeline], name: str) -> None:
    events = list(models[name].run(asked(steps=12), turn()))
    (first, *_) = [event for event in events if isinstance(event, Preview)]
    assert first.picture.width / first.picture.height == pytest.approx(1.5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_does_what_its_classes_can_and_says_so_otherwise(models: dict[str, ImagePipeline], name: str) -> None:
    kind = type(models[name]._pipe)
    can = tuple(method for method in METHODS if class_for(kind, method) is not None)
    assert can == ("words", *BESIDES[name])
    for method in set(METHODS) - set(can):
        with pytest.raises(StudioError, match=f"cannot make a picture by the method {method}; it can by words"):
            paint(models[name], begun(method))


@pytest.mark.parametrize("name", [name for name in FAMILIES if BESIDES[name]])
@pytest.mark.parametrize("method", ALL)
def test_a_picture_comes_of_a_picture(
    models: dict[str, ImagePipeline], monkeypatch: pytest.MonkeyPatch, name: str, method: str
) -> None:
    pipeline = models[name]
    monkeypatch.setattr(pipeline, "together", 2)
    made = paint(pipeline, begun(method, count=2, steps=5))
    width = 96 + 32 * (method == "extend")
    for artifact in made.artifacts:
        assert pixels(artifact).shape == (64, width, 3)
        alone = paint(pipeline, begun(method, seed=artifact.facts["seed"], steps=5)).artifacts[0]
        assert np.abs(pixels(alone) - pixels(artifact)).max() <= 1
    assert np.abs(pixels(made.artifacts[0]) - pixels(made.artifacts[1])).max() > 1


@pytest.mark.parametrize("name", [name for name in FAMILIES if BESIDES[name]])
def test_what_was_not_painted_over_stays_to_the_bit(models: dict[str, ImagePipeline], name: str) -> None:
    source = np.asarray(Image.open(io.BytesIO(files()[SOURCE])), np.int16)
    for method, kept in (("paint", np.s_[:, 48:]), ("extend", np.s_[:, 64:])):
        made = pixels(paint(models[name], begun(method)).artifacts[0])
        own = source[kept] if method == "paint" else source[:, 32:]
        assert (made[kept] == own).all(), method
        assert np.abs(made[:, :24] - source[:, :24]).max() > 1


@pytest.mark.parametrize("name", [name for name in FAMILIES if BESIDES[name]])
def test_strength_says_how_many_steps_are_taken(models: dict[str, ImagePipeline], name: str) -> None:
    counted = []
    for strength in (0.05, 0.5, 1.0):
        counting = turn()
        paint(models[name], begun("picture", strength=strength, steps=6), counting)
        counted.append(counting.checkpoints)
    assert counted[0] < counted[1] < counted[2]
    assert counted[0] <= 4  # before, one step, or two with a scheduler of two evaluations, after


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("name", [name for name in FAMILIES if BESIDES[name] and name != "SDXL Turbo"])
def test_pictures_from_a_picture_are_the_same_in_one_call_as_alone(
    models: dict[str, ImagePipeline], monkeypatch: pytest.MonkeyPatch, name: str, method: str
) -> None:
    pipeline, asked_for = models[name], begun(method, count=2, steps=2)
    alone = [open_picture(one.data) for one in paint(pipeline, asked_for).artifacts]
    monkeypatch.setattr(pipeline, "together", 2)
    counting = turn()
    together = paint(pipeline, asked_for, counting)
    assert any(key[0] == "begun" and found for key, found in pipeline._door.proven.items())  # type: ignore[index]
    for one, other in zip(alone, (open_picture(one.data) for one in together.artifacts), strict=True):
        assert np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= 2


def test_where_a_call_for_several_comes_to_others_each_is_painted_alone(
    models: dict[str, ImagePipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, asked_for = models["SDXL"], begun("picture", count=3, steps=2, width=64)
    alone = [one.data for one in paint(pipeline, asked_for).artifacts]
    monkeypatch.setattr(pipeline, "together", 3)
    monkeypatch.setattr("pipelines.image.begun.ALIKE", -1.0)
    monkeypatch.setattr(pipeline._door, "proven", {})  # by an earlier test
    apart = paint(pipeline, asked_for)
    assert [one.data for one in apart.artifacts] == alone
    assert "ended_early" not in apart.facts


@pytest.mark.parametrize("name", FAMILIES)
def test_asked_to_keep_what_is_there_every_family_gives_a_picture(models: dict[str, ImagePipeline], name: str) -> None:
    made = paint(models[name], asked(), turn(finish_after=2))
    assert len(made.artifacts) == 1
    assert ("ended_early" in made.facts) == (name != "PixArt")  # whose class cannot leave its loop


def test_the_page_knows_from_a_folder_what_the_classes_can() -> None:
    for kind in dict.fromkeys(AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()):
        can = tuple(method for method in METHODS if class_for(kind, method) is not None)
        assert methods_of_class(kind.__name__) == can, kind.__name__
        assert takes_loras_class(kind.__name__) == hasattr(kind, "load_lora_weights"), kind.__name__


def test_a_device_needs_room_for_what_of_a_model_is_there_at_once() -> None:
    gpu = Device("cuda", "test", "float16", "a test", 0)
    needs = [on_device(replace(gpu, offload=offload), 1200) for offload in get_args(Offload)]
    assert needs[0] == 1200 > needs[1] > needs[2] > 0
    assert on_device(replace(CPU, offload="layers"), 1200) == 1200


def test_a_flow_says_which_schedulers_begin_from_a_picture(models: dict[str, ImagePipeline]) -> None:
    assert paint(models["SD 3.5"], begun("picture", scheduler="heun")).artifacts
    with pytest.raises(StudioError, match="cannot begin from a picture with this scheduler"):
        paint(models["SD 3.5"], begun("picture", scheduler="unipc"))
