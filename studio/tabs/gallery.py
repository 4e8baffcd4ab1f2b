"""Styles and example photos, as the page shows them. Knows under which address assets are served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.sticker.packages import DRAWN
from pipelines.style.examples import PHOTOS, STYLE_PICTURES, Example
from pipelines.style.styles import STYLES
from pipelines.training.datasets import DATASETS
from pipelines.training.recipe_names import RECIPES
from studio.locales import name
from studio.settings import ASSETS

#: the style that one click on each of our photos paints it in
_PAINTED_IN = {
    "temple.jpg": "indigo-waves",
    "cat.jpg": "golden-etching",
    "coffee.jpg": "paper-cutout",
    "portrait.jpg": "autumn-pastel",
    "rocket.jpg": "starry-strokes",
    "flower.jpg": "stained-glass",
}


#: what stickers are drawn like, in a word
_DRAWN_LIKE = {
    "glossy": ("Glossy", "立体"),
    "flat": ("Flat", "扁平"),
    "noto": ("Noto", "谷歌"),
    "twitter": ("Twitter", "推特"),
    "firefox": ("Firefox", "火狐"),
}


def served(path: Path) -> str:
    """The address an asset is served under."""
    return f"/assets/studio/{path.relative_to(ASSETS).as_posix()}"


def name_things() -> None:
    """Gives the page the names of styles, data sets and recipes, for titles made from an item's recipe."""
    for style in STYLES:
        name(f"style.{style.id}", style.en, style.zh)
    for drawn, titles in _DRAWN_LIKE.items():
        name(f"style.{drawn}", *titles)
    for dataset in DATASETS.values():
        name(f"dataset.{dataset.name}", dataset.title, dataset.title_zh)
    for recipe in RECIPES.values():
        name(f"recipe.{recipe.name}", recipe.title, recipe.title_zh)


def builtin_styles() -> list[dict[str, Any]]:
    """A card for each built-in style."""
    return [
        {"id": style.id, "title": {"en": style.en, "zh": style.zh}, "url": served(style.thumbnail)} for style in STYLES
    ]


def drawing_styles() -> list[dict[str, Any]]:
    """A choice for each drawing style of the sticker model, after the one that leaves it to the words."""
    titles = {"": ("Any", "不限")} | {package.style: _DRAWN_LIKE[package.style] for package in DRAWN}
    return [{"id": style, "title": {"en": en, "zh": zh}} for style, (en, zh) in titles.items()]


def photo_cards() -> list[dict[str, Any]]:
    """A card for each of our photos."""
    return [_card(photo) for photo in PHOTOS]


def picture_cards() -> list[dict[str, Any]]:
    """A card for each picture to take a style from."""
    return [_card(picture) for picture in STYLE_PICTURES]


def _card(example: Example) -> dict[str, Any]:
    return {"title": {"en": example.en, "zh": example.zh}, "url": served(example.path)}


def style_of(photo: Example) -> str:
    """The built-in style that goes well with one of our photos."""
    return _PAINTED_IN.get(photo.file, STYLES[0].id)
