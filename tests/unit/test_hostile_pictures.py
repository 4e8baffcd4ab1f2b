"""Two hundred hostile pictures as the photo, the style and the mask: each a result or a sentence, never a traceback."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import StudioError
from pipelines.pictures import open_picture
from pipelines.style.clips import look
from pipelines.style.masks import Mask
from pipelines.style.pipeline import StylePipeline
from tests.hostile import HOSTILE
from tests.unit.test_style_pipeline import DEVICE, digest, loaded, painted, result, saved, scene
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pipeline() -> StylePipeline:
    return loaded(DEVICE)


def read(data: bytes) -> tuple[int, int] | None:
    """The size of a picture that can be read; anything but a sentence for one that cannot is a failure."""
    try:
        return open_picture(data).size
    except StudioError:
        return None


def test_there_are_two_hundred_and_most_are_read_all_the_same() -> None:
    assert len(HOSTILE) >= 200
    sizes = [read(make()) for make in HOSTILE.values()]
    assert len(sizes) / 2 < len([size for size in sizes if size is not None]) < len(sizes)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_photo_is_painted_or_refused_in_a_sentence(
    pipeline: StylePipeline, tmp_path: Path, name: str
) -> None:
    data = HOSTILE[name]()
    size = read(data)
    if size is None:
        with pytest.raises(StudioError, match=r"\.$"):
            painted(pipeline, tmp_path, data, style="ember-glow")
    else:
        assert painted(pipeline, tmp_path, data, style="ember-glow").size == size


@pytest.mark.parametrize("name", [name for number, name in enumerate(HOSTILE) if number % 4 == 0])
def test_a_hostile_style_mask_or_film_is_read_or_refused_in_a_sentence(
    pipeline: StylePipeline, tmp_path: Path, name: str
) -> None:
    data = HOSTILE[name]()
    if read(data) is None:
        with pytest.raises(StudioError, match=r"\.$"):
            Mask(data, (30, 20), 5, True)
        with pytest.raises(StudioError, match=r"\.$"):
            painted(pipeline, tmp_path, saved(scene(30, 20)), data)
    else:
        assert Mask(data, (30, 20), 5, True).whole().shape == (20, 30)
        assert painted(pipeline, tmp_path, saved(scene(30, 20)), data, detail=1, colors="matched").size == (30, 20)
    if not name.startswith("animated"):
        with pytest.raises(StudioError, match=r"\.$"):
            look(data)


def test_what_was_painted_of_an_animated_picture_is_its_first_frame(pipeline: StylePipeline, tmp_path: Path) -> None:
    data = HOSTILE["animated GIF"]()
    first = Image.open(io.BytesIO(data)).convert("RGB")
    same = painted(pipeline, tmp_path, data, style="ember-glow", strength=0).convert("RGB")
    assert same.tobytes() == first.tobytes()


def outcome(pipeline: StylePipeline, tmp_path: Path, data: bytes, **settings: Any) -> tuple[int, int] | None:
    """The size of what was made, or nothing where a sentence was said. Anything else is a failure."""
    try:
        made = result(pipeline, tmp_path, data, **settings)
    except StudioError as error:
        said = str(error)
    else:
        facts = made.artifacts[0].facts
        return int(facts["width"]), int(facts["height"])
    assert said.endswith(".")
    return None


@pytest.mark.parametrize("name", [name for number, name in enumerate(HOSTILE) if number % 3 == 1])
def test_a_hostile_photo_is_lifted_from_a_small_painting_or_refused_in_a_sentence(
    pipeline: StylePipeline, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.style.reckoning.QUICK", 100)
    data = HOSTILE[name]()
    assert outcome(pipeline, tmp_path, data, picture=saved(scene(30, 20))) == read(data)


@pytest.mark.parametrize("name", [name for number, name in enumerate(HOSTILE) if number % 9 == 2])
def test_a_hostile_photo_is_optimised_or_refused_in_a_sentence(
    pipeline: StylePipeline, tmp_path: Path, name: str
) -> None:
    data = HOSTILE[name]()
    asked = {"style": "ember-glow", "engine": "finest", "steps": 10, "edge": 128}
    assert outcome(pipeline, tmp_path, data, **asked) == read(data)


@pytest.mark.parametrize("name", [name for number, name in enumerate(HOSTILE) if number % 5 == 3])
def test_a_hostile_picture_is_a_mask_with_regions_or_refused_in_a_sentence(
    pipeline: StylePipeline, tmp_path: Path, name: str
) -> None:
    data = HOSTILE[name]()
    turn = FreeTurn(tmp_path, {digest(data): data})
    parts = [{"style": "red-weave", "region": number} for number in (1, 2, 3)]
    asked = {"style": "ember-glow", "mask": digest(data), "parts": parts, "turn": turn}
    assert outcome(pipeline, tmp_path, saved(scene(30, 20)), **asked) == (None if read(data) is None else (30, 20))


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith(("animated", "bitten", "cut", "bomb"))])
def test_a_hostile_film_is_painted_or_refused_in_a_sentence(pipeline: StylePipeline, tmp_path: Path, name: str) -> None:
    made = outcome(pipeline, tmp_path, HOSTILE[name](), style="ember-glow", what="film")
    assert (made is not None) == (name in ("animated GIF", "animated WEBP"))
