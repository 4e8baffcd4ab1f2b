"""The styles' names, thumbnails and example pictures, and that naming them needs no torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipelines.style.examples import EXAMPLES, PHOTOS, STYLE_PICTURES, Example
from pipelines.style.styles import STYLES, Style, find_style, style_choices


def test_there_are_26_styles_each_with_its_own_id_names_and_row() -> None:
    assert [style.index for style in STYLES] == list(range(26))
    for part in ("id", "en", "zh"):
        assert len({getattr(style, part) for style in STYLES}) == 26
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", style.id) for style in STYLES)
    assert all(re.search(r"[\u4e00-\u9fff]", style.zh) for style in STYLES)


def test_ids_in_old_recipes_still_name_the_same_style() -> None:
    assert [find_style(name).index for name in ("amber-morning", "stained-glass", "antique-tapestry")] == [0, 7, 25]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.id)
def test_every_style_has_a_small_thumbnail(style: Style) -> None:
    assert style.thumbnail.stat().st_size < 40_000
    with Image.open(style.thumbnail) as picture:
        assert picture.size == (256, 256)


def test_no_thumbnail_is_left_of_a_style_that_is_gone() -> None:
    shipped = {path.stem for path in STYLES[0].thumbnail.parent.iterdir()}
    assert shipped == {style.id for style in STYLES}


def test_choices_are_named_in_the_readers_language() -> None:
    assert style_choices("zh-CN")[24][:2] == ("indigo-waves", "靛蓝浪花")
    assert style_choices("fr")[24][:2] == ("indigo-waves", "Indigo waves")


@pytest.mark.parametrize("example", [*PHOTOS, *STYLE_PICTURES], ids=lambda example: example.file)
def test_every_example_is_small_and_credited(example: Example) -> None:
    assert example.path.stat().st_size <= 200_000
    with Image.open(example.path) as picture:
        assert min(picture.size) >= 300
    assert f"`{Path(example.file).name}`" in (EXAMPLES / "LICENCES.md").read_text(encoding="utf-8")


def test_naming_and_asking_for_styles_imports_no_torch() -> None:
    modules = "pipelines.style.styles, pipelines.style.examples, pipelines.requests"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
