"""A person's pictures for a GAN or a VAE: what a zip becomes, what is refused and said, and a training that goes on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.base import Mark
from pipelines.errors import StudioError
from pipelines.requests import ExploreRequest, TrainingRequest
from pipelines.training import own_set
from pipelines.training.__main__ import main
from pipelines.training.checkpoints import CheckpointFolder
from pipelines.training.data import own_data
from pipelines.training.explorer import ExplorePipeline
from pipelines.training.own_set import Crop, look, read_pictures, squared
from studio.tabs.own import SET, STICKERS, OwnPictures
from tests.own import drawn, own_files, own_zip, zip_of
from tests.unit.training_runs import CPU, generator, result, state, tiny, train
from tests.unit.turns import FreeTurn

WIDE = Image.new("RGBA", (64, 16), (255, 0, 0, 255))


def nothing() -> None:
    """Between two pictures."""


def test_pictures_need_no_captions_and_come_in_the_zips_order_on_white() -> None:
    files: dict[str, bytes | str] = {f"{number:03d}.png": drawn(number) for number in range(50)}
    found = read_pictures(zip_of(files), 32, "centre", nothing)
    assert found.shape == (50, 32, 32, 3)
    assert (found[:, 0, 0] == 255).all()
    assert not (found[1] == found[2]).all()


@pytest.mark.parametrize(("crop", "red"), [("centre", 32 * 32), ("fit", 32 * 8)])
def test_a_wide_picture_is_cut_to_its_centre_or_fitted(crop: Crop, red: int) -> None:
    square = squared(WIDE, 32, crop)
    assert ((square == (255, 0, 0)).all(-1)).sum() == red
    assert ((square == 255).all(-1)).sum() == 32 * 32 - red


def test_too_few_are_refused_few_are_said_and_what_cannot_be_read_is_left_out() -> None:
    with pytest.raises(StudioError, match="holds 49 pictures that can be read"):
        look(own_zip(49), 32, "centre", 8)
    broken: dict[str, bytes | str] = {**own_files(50), "broken.png": b"not a picture", "notes.doc": b"words"}
    found = look(zip_of({"a.png": b"nor this", **broken}), 64, "fit", 8)
    assert (found.count, found.shown.shape) == (52, (8, 64, 64, 3))
    assert [warning.key for warning in found.warnings] == ["own.set_warning", "own.left.kind", "own.left.damaged"]
    assert len(read_pictures(zip_of(broken), 32, "centre", nothing)) == 50
    with pytest.raises(StudioError, match="holds 49 pictures"):
        read_pictures(zip_of({**own_files(49), "broken.png": b"not a picture"}), 32, "centre", nothing)


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_set, "MOST", 60)
    with pytest.raises(StudioError, match="holds 61 pictures; at most 60"):
        look(own_zip(61), 32, "centre", 8)


def test_own_pictures_and_the_data_set_own_go_together() -> None:
    for values in ({"dataset": "own"}, {"pictures": "a" * 64}):
        with pytest.raises(StudioError, match="go together"):
            TrainingRequest.parse(values)
    with pytest.raises(StudioError, match="have no classes"):
        TrainingRequest.parse({"dataset": "own", "pictures": "a" * 64, "conditional": True})
    request = TrainingRequest.parse({"dataset": "own", "pictures": "a" * 64, "edge": 64, "name": "dogs"})
    assert (request.files(), request.gamma, request.title()) == (("a" * 64,), 5.2, "r1 · dogs")


@pytest.mark.parametrize("recipe", ["r1", "vae"])
def test_a_training_on_own_pictures_goes_on_after_an_interruption_as_if_there_was_none(
    recipe: str, tmp_path: Path
) -> None:
    data = own_zip(50)
    digest = hashlib.sha256(data).hexdigest()
    states = []
    for name, parts in (("whole", (6,)), ("parts", (2, 6))):
        (tmp_path / name).mkdir()
        for steps in parts:
            request = tiny(recipe=recipe, dataset="own", pictures=digest, steps=steps)
            events = train(request, FreeTurn(tmp_path / name, {digest: data}))
        states.append(state(tmp_path / name))
    assert any(isinstance(event, Mark) and event.key == "resumed" for event in events)
    assert all(np.array_equal(states[0][key].numpy(), states[1][key].numpy()) for key in states[0])


def test_the_device_is_given_away_between_two_pictures() -> None:
    turns = []
    request = tiny(dataset="own", pictures="a" * 64)
    found = own_data(request, lambda _: own_zip(50), lambda: turns.append(1))
    assert found is not None
    assert len(found) == len(turns) == 50
    assert own_data(tiny(), lambda _: b"", nothing) is None


def test_the_page_takes_a_zip_without_captions_for_a_gan_and_says_so(tmp_path: Path) -> None:
    kept: list[bytes] = []

    class Kept:
        def keep_upload(self, owner: str, data: bytes, media_type: str) -> str:
            kept.append(data)
            return "a" * 64

    path = tmp_path / "dogs.zip"
    path.write_bytes(zip_of({f"{number}.png": drawn(number) for number in range(60)}))
    pictures = OwnPictures(Kept())  # type: ignore[arg-type]
    given, _, preview, learner = pictures.take("me", str(path), "zh", (STICKERS, 64, "fit"))
    assert (given, learner) == ({"digest": "a" * 64, "name": "dogs"}, SET)
    assert (preview["count"], preview["edge"], len(preview["pictures"])) == (60, 64, 60)
    assert preview["warnings"][0] == "这些图片没有给贴纸模型用的说明，改由 GAN 或 VAE 学习。"
    path.write_bytes(own_zip(60))
    assert pictures.take("me", str(path), "en", (STICKERS, 32, "fit"))[3] == STICKERS
    path.write_bytes(zip_of({f"{number}.png": drawn(number) for number in range(40)}))
    with pytest.raises(StudioError, match="pictures that can be learned from"):
        pictures.take("me", str(path), "en", (STICKERS, 32, "fit"))
    assert len(kept) == 2


def test_a_request_names_own_pictures_only_where_they_are_the_data() -> None:
    pictures = OwnPictures(None)  # type: ignore[arg-type]
    posted = ("model", {"digest": "a" * 64, "name": "dogs"}, SET)
    asked = {"recipe": "r1", "edge": 64, "crop": "fit", "conditional": False, "dataset": "own"}
    named = pictures.named(asked, posted)
    assert TrainingRequest.parse(named).pictures == "a" * 64
    assert "conditional" not in named
    assert set(pictures.named({**asked, "dataset": "mnist"}, posted)) == {"recipe", "conditional", "dataset"}
    with pytest.raises(StudioError, match="no pictures yet"):
        pictures.named(asked, ("model", None, SET))


@pytest.mark.parametrize("view", ["plane", "near"])
def test_what_own_pictures_became_is_explored_while_it_learns_and_after(view: str, tmp_path: Path) -> None:
    pictures = own_zip(50)
    digest = hashlib.sha256(pictures).hexdigest()
    events = train(tiny(dataset="own", pictures=digest, steps=2), FreeTurn(tmp_path, {digest: pictures}))
    snapshot = CheckpointFolder(tmp_path).paths()[0].read_bytes()
    explorer = ExplorePipeline()
    explorer.load(None, CPU, lambda *_: None)
    for file in (generator(events), snapshot):
        turn = FreeTurn(tmp_path, {"b" * 64: file, digest: pictures})
        request = ExploreRequest.parse({"generator": "b" * 64, "seed": 7, "view": view, "cells": 3})
        assert result(list(explorer.run(request, turn))).artifacts


def test_the_command_line_learns_from_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dogs.zip").write_bytes(own_zip(50))
    out = tmp_path / "out"
    small = [word for name in ("width", "latent", "batch") for word in ("--set", f"{name}=4")]
    given = ["--pictures", str(tmp_path / "dogs.zip"), "--steps", "1", "--device", "cpu", "--threads", "1", *small]
    monkeypatch.setattr("sys.argv", ["training", *given, "--out", str(out)])
    main()
    position, _ = CheckpointFolder(out).load(CheckpointFolder(out).paths()[0])
    assert (position.request["dataset"], position.request["name"], position.step) == ("own", "dogs", 1)
