"""A look around in what a generator can draw: geometry known beforehand, and real, tiny generators."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pipelines.base import Result
from pipelines.errors import StudioError
from pipelines.requests import ExploreRequest, SampleRequest
from pipelines.training.checkpoints import CheckpointFolder
from pipelines.training.data import load_dataset
from pipelines.training.explorer import FRAMES, ExplorePipeline
from pipelines.training.latent_plane import Plane, between, principal_directions, random_directions, raster
from pipelines.training.loop import Loop
from pipelines.training.neighbours import neighbours
from pipelines.training.outcome import outcome
from pipelines.training.randomness import Randomness
from pipelines.training.sampler import SamplePipeline
from tests.unit.training_runs import CPU, tiny
from tests.unit.turns import FreeTurn

DIGEST = "a" * 64
RANDOMNESS = Randomness(5, torch.device("cpu"))


def test_places_run_from_the_top_left_to_the_bottom_right() -> None:
    places = raster(3, torch.device("cpu")).tolist()
    assert (places[0], places[2], places[4], places[8]) == ([-1, 1], [1, 1], [0, 0], [1, -1])


def test_everywhere_in_a_plane_noise_is_as_long_as_in_its_middle() -> None:
    centre = torch.randn(16, generator=torch.Generator().manual_seed(0))
    plane = Plane(centre, *random_directions(RANDOMNESS, 16), spread=2.0)
    lengths = plane.at(raster(5, torch.device("cpu"))).norm(dim=1)
    assert torch.allclose(lengths, centre.norm().expand(25))
    assert torch.allclose(plane.at(torch.zeros(1, 2))[0], centre)


def test_the_way_between_two_places_turns_evenly_and_keeps_its_length() -> None:
    start, end = torch.tensor([2.0, 0, 0]), torch.tensor([0, 2.0, 0])
    way = between(start, end, 4)
    angles = torch.atan2(way[:, 1], way[:, 0])
    assert torch.allclose(angles, torch.linspace(0, math.pi / 2, 4), atol=1e-6)
    assert torch.allclose(way.norm(dim=1), torch.full((4,), 2.0))
    assert torch.allclose(between(start, start, 3), start.expand(3, 3))


def test_principal_directions_are_those_the_pictures_change_along() -> None:
    weights = torch.zeros(6, 4 * 4)
    weights[2], weights[4] = 3.0, 1.0  # and along no other number of the noise
    weights[4, ::2] *= -1

    def draw(noise: Tensor) -> Tensor:
        return (noise @ weights).view(-1, 1, 4, 4)

    one, two = principal_directions(draw, RANDOMNESS, 6)
    assert one[2] > 0.98
    assert two[4] > 0.98
    assert abs(float(torch.dot(one, two))) < 1e-5


def test_a_copy_is_told_from_a_picture_as_far_as_others_are() -> None:
    images = torch.randint(0, 256, (60, 1, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    copied = neighbours(images[17], images, count=3)
    assert (copied.rows[0], copied.distances[0], copied.ratio) == (17, 0.0, 0.0)
    assert list(copied.distances) == sorted(copied.distances)
    new = torch.randint(0, 256, (1, 8, 8), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    assert 0.7 < neighbours(new, images).ratio < 1.5


# ------------------------------------------------------------------------------------------------ whole jobs


@pytest.fixture(scope="module")
def loop() -> Loop:
    """A training after two steps that was told classes."""
    begun = Loop(tiny(conditional=True, seed=3), CPU)
    begun.advance()
    begun.advance()
    return begun


@pytest.fixture(scope="module")
def generator(loop: Loop) -> bytes:
    artifacts, _ = outcome(loop)
    return artifacts[0].data


def explore(tmp_path: Path, file: bytes, **asked: Any) -> Result:
    pipeline = ExplorePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    turn = FreeTurn(tmp_path, {DIGEST: file})
    *_, result = pipeline.run(ExploreRequest.parse({"generator": DIGEST, "seed": 7, **asked}), turn)
    assert isinstance(result, Result)
    return result


def pixels(result: Result) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(result.artifacts[0].data)))


def test_the_middle_of_the_sheet_is_the_sample_it_was_asked_for(tmp_path: Path, generator: bytes) -> None:
    sheet = pixels(explore(tmp_path, generator, cells=3, number=4, label=2))
    assert sheet.shape == (84, 84)
    pipeline = SamplePipeline()
    pipeline.load(None, CPU, lambda *_: None)
    asked = SampleRequest.parse({"generator": DIGEST, "seed": 7, "count": 5, "label": 2})
    *_, result = pipeline.run(asked, FreeTurn(tmp_path, {DIGEST: generator}))
    assert isinstance(result, Result)
    fifth = np.asarray(Image.open(io.BytesIO(result.artifacts[5].data)))[::9, ::9]
    assert np.abs(sheet[28:56, 28:56].astype(int) - fifth).max() <= 1


def test_the_same_request_gives_the_same_sheet_and_other_directions_another(tmp_path: Path, generator: bytes) -> None:
    once, again = (explore(tmp_path, generator, cells=3).artifacts[0].data for _ in range(2))
    assert once == again
    assert explore(tmp_path, generator, cells=3, directions="random").artifacts[0].data != once


def test_a_morph_begins_and_ends_at_its_places_and_comes_back(tmp_path: Path, generator: bytes) -> None:
    result = explore(tmp_path, generator, view="morph", u=-1, v=1, to_u=1, to_v=-1)
    sheet = pixels(explore(tmp_path, generator, cells=3))
    with Image.open(io.BytesIO(result.artifacts[0].data)) as film:
        assert film.n_frames <= 2 * FRAMES - 2  # frames that are alike are kept once
        first = np.asarray(film.convert("L"))[::9, ::9]
    assert np.abs(first.astype(int) - sheet[:28, :28]).mean() < 3


def test_the_nearest_training_pictures_stand_beside_the_made_one(tmp_path: Path, generator: bytes) -> None:
    result = explore(tmp_path, generator, view="near", u=0.5)
    shown = pixels(result)
    assert shown.shape == (252, 9 * 252 + 31, 3)
    facts = result.facts
    assert facts["ratio"] == pytest.approx(facts["nearest"] / facts["usual"], abs=0.01)  # type: ignore[operator]
    nearest = shown[::9, 252 + 31 : 2 * 252 + 31 : 9, 0]
    assert (load_dataset("mnist").images[:, 0].numpy() == nearest).all((1, 2)).any()


def test_a_training_that_still_runs_is_explored_from_its_checkpoint(
    tmp_path: Path, loop: Loop, generator: bytes
) -> None:
    position, tensors = loop.state()
    snapshot = CheckpointFolder(tmp_path).save(position, tensors).read_bytes()
    live, kept = (explore(tmp_path, file, cells=3, label=1).artifacts[0].data for file in (snapshot, generator))
    assert live == kept


@pytest.mark.parametrize(
    ("file", "asked", "said"),
    [
        (b"no generator", {}, "not a generator"),
        (None, {"label": 12}, "knows 10 classes"),
    ],
)
def test_what_cannot_be_explored_is_refused_in_a_sentence(
    tmp_path: Path, generator: bytes, file: bytes | None, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudioError, match=said):
        explore(tmp_path, file or generator, **asked)


def test_points_in_the_plane_are_not_explored(tmp_path: Path) -> None:
    artifacts, _ = outcome(Loop(tiny(dataset="ring"), CPU))
    with pytest.raises(StudioError, match="makes points"):
        explore(tmp_path, artifacts[0].data)
