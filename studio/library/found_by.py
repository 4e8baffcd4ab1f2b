"""The words an item is found by, taken from its recipe: prompts, styles, data set, model, in both languages.

Knows recipes and the names of styles and data sets. Other kinds of job need nothing here: what is under a setting
whose name begins with prompt or style counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from pipelines.fields import strings_in
from pipelines.style.styles import STYLES
from pipelines.training.datasets import DATASETS
from studio.store import words
from studio.store.tables import ItemRow

#: of a prompt, in characters: what somebody would search for stands near its beginning
LONGEST = 4000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAMES = {style.id: f"{style.id} {style.en} {style.zh}" for style in STYLES}
_SETS = {one.name: f"{one.name} {one.title} {one.title_zh}" for one in DATASETS.values()}


def write_words(session: Session, item: ItemRow) -> None:
    """Writes down what ``item`` is found by, within the transaction that lists it."""
    settings = item.recipe.get("settings") or {}
    words.write(
        session,
        item.id,
        item.owner,
        title=" ".join(filter(None, [item.title, item.name.rsplit(".", 1)[0], str(settings.get("name") or "")])),
        prompt=prompt_of(item.recipe),
        style=" ".join([*_styles(settings), _SETS.get(str(settings.get("dataset", "")), "")]).strip(),
        model=" ".join(str(part) for part in (item.recipe.get("model"), settings.get("recipe")) if part),
    )


def prompt_of(recipe: Mapping[str, Any]) -> str:
    """The words a thing was made from; empty where there were none."""
    settings = recipe.get("settings") or {}
    found = [one for name, value in settings.items() if name.startswith("prompt") for one in strings_in(value)]
    return " ".join(found)[:LONGEST]


def _styles(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if name.startswith("style"):
            for one in strings_in(value):
                if not _DIGEST.fullmatch(one):
                    yield _NAMES.get(one, one)
