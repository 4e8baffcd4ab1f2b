"""The sticker model as it is listed: one size, the styles it was taught, and everybody whose work is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.catalog import Catalog
from pipelines.requests import ImageRequest
from pipelines.sticker.dictionary import dictionary
from pipelines.sticker.drawings import LARGE, STYLES
from pipelines.sticker.packages import PACKAGES
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.prompts import read_prompt
from studio.locales import STRINGS
from studio.settings import ASSETS


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(ASSETS, tmp_path / "data")


def test_its_settings_are_those_of_its_pipeline(catalog: Catalog) -> None:
    entry = catalog.resolve("stickers", "image")
    assert entry.pipeline == StickerPipeline.__name__
    assert entry.styles == STYLES
    asked = ImageRequest.parse({"prompt": "a cat", **entry.settings})
    assert (asked.width, asked.height, asked.count) == (LARGE, LARGE, 4)
    assert set(entry.fixed) == {"width", "height"}


def test_its_encoder_is_all_there_is_to_fetch(catalog: Catalog) -> None:
    entry = catalog.resolve("stickers", "image")
    (encoder,) = catalog.needed(entry).values()
    assert catalog.known_size(entry) == encoder.bytes > 80_000_000
    assert list(catalog.parts(entry)) == ["text_encoder"]


def test_everybody_whose_work_is_in_it_is_named_in_the_catalogue_and_beside_the_weights(catalog: Catalog) -> None:
    credited = catalog.credits(catalog.resolve("stickers", "image"))
    packages = [(one.title, one.author, one.licence, one.homepage) for one in PACKAGES]
    assert [(one.title, one.author, one.licence, one.homepage) for one in credited[:-1]] == packages
    beside = (ASSETS / "sticker" / "LICENCES.md").read_text("utf-8").splitlines()
    for title, author, licence, homepage in [*packages, tuple(credited[-1].model_dump().values())]:
        row = [line for line in beside if line.startswith(f"| {title}:")]
        assert [f"| {author} | {licence} | {homepage} |" in line for line in row] == [True], title
    for package in PACKAGES:
        assert any(f"`{package.name}` {package.version}" in line for line in beside), package.name


def test_every_example_of_the_page_is_read_whole_in_both_languages() -> None:
    dictionary()
    for language in STRINGS.values():
        for key, prompt in language.items():
            if key.startswith("sticker.example."):
                assert read_prompt(prompt).unknown == (), prompt
