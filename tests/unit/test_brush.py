"""What is brushed over a picture: kept as a file, only over the picture it was brushed on, and shown again."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import StudioError
from studio.services import Studio, open_studio
from studio.tabs.brush import over_again, take_mask
from studio.tabs.photos import take_photo
from tests.hostile import picture, saved
from tests.studios import OWNER, settings

HEAD = "data:image/png;base64,"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = open_studio(settings(tmp_path_factory.mktemp("studio"), engine="inline"))
    yield opened
    opened.close()


def brushed(photo: str, colour: str = "red") -> dict[str, Any]:
    """A value as the page posts it: the left half of 40 x 20 brushed in a colour."""
    sheet = Image.new("RGB", (40, 20))
    sheet.paste(colour, (0, 0, 20, 20))
    return {"digest": photo, "mask": HEAD + base64.b64encode(saved(sheet, "PNG")).decode()}


def test_what_was_brushed_comes_back_over_its_picture_in_its_colours(studio: Studio) -> None:
    photo = take_photo(studio, OWNER, saved(picture((40, 20)), "PNG"))["digest"]
    mask = take_mask(studio, OWNER, brushed(photo, "lime"), photo, "RGB")
    assert mask is not None
    shown = over_again(studio, OWNER, photo, mask)
    assert shown is not None
    assert (shown["digest"], shown["width"], shown["height"]) == (photo, 40, 20)
    again = Image.open(io.BytesIO(base64.b64decode(shown["mask"].removeprefix(HEAD)))).convert("RGB")
    assert (again.getpixel((2, 2)), again.getpixel((38, 2))) == ((0, 255, 0), (0, 0, 0))


def test_a_mask_without_regions_is_grey(studio: Studio) -> None:
    photo = take_photo(studio, OWNER, saved(picture((40, 20)), "PNG"))["digest"]
    mask = take_mask(studio, OWNER, brushed(photo, "white"), photo)
    assert mask is not None
    kept = Image.open(io.BytesIO(studio.library.blobs.read(mask)))
    assert (kept.mode, kept.getextrema()) == ("L", (0, 255))


def test_what_was_brushed_over_another_picture_or_not_at_all_is_none(studio: Studio) -> None:
    assert take_mask(studio, OWNER, brushed("a" * 64), "b" * 64) is None
    assert take_mask(studio, OWNER, {"digest": "a" * 64, "mask": ""}, "a" * 64) is None
    assert take_mask(studio, OWNER, None, None) is None


@pytest.mark.parametrize("posted", [5, "x", HEAD + "!", HEAD + "AAAA", HEAD + "A" * 5_000_000, ["data"]])
def test_what_is_posted_in_its_place_is_a_sentence(studio: Studio, posted: object) -> None:
    with pytest.raises(StudioError, match=r"\.$"):
        take_mask(studio, OWNER, {"digest": "a" * 64, "mask": posted}, "a" * 64)


def test_anothers_mask_is_not_shown(studio: Studio) -> None:
    photo = take_photo(studio, OWNER, saved(picture((40, 20)), "PNG"))["digest"]
    theirs = take_mask(studio, "bob", brushed(photo, "blue"), photo)
    with pytest.raises(StudioError):
        over_again(studio, OWNER, photo, theirs)
