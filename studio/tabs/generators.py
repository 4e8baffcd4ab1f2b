"""The generators a person has, as menus want them: those trained to the end, and the one that learns now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines.training.datasets import DATASETS
from studio.engine.job import Job
from studio.library.library import Item
from studio.locales import Language, known, t

if TYPE_CHECKING:
    from studio.services import Studio

MAX_GENERATORS = 50
EACH = -1  # all classes in turn
LEARNING = "learning"  # the value of the training that runs now


@dataclass(frozen=True)
class Choice:
    """One line of a menu, and the request of the training behind it."""

    title: str
    value: str
    settings: Mapping[str, Any]


def generators_of(studio: Studio, owner: str) -> list[Item]:
    """The person's, newest first."""
    items = studio.library.items(owner, ("training",), limit=MAX_GENERATORS)
    return [item for item in items if item.name.endswith(".safetensors")]


def learning_of(studio: Studio, owner: str) -> Job | None:
    """The person's training that runs now, or rests."""
    return next(iter(studio.jobs.list(owner, ("training",), ("running", "paused"), 1)), None)


def menu_of(studio: Studio, owner: str, language: Language, live: bool = False) -> list[Choice]:
    """All of them by what they draw and when they were made; with ``live`` the one that learns now comes first."""
    found = [
        Choice(f"{_data_of(item, language)} · {_when(item)}", item.digest, item.recipe.get("settings", {}))
        for item in generators_of(studio, owner)
    ]
    job = learning_of(studio, owner) if live else None
    return ([Choice(t("explore.learning", language), LEARNING, job.request)] if job else []) + found


def class_menu(
    settings: Mapping[str, Any], language: Language, label: int | None = None, every: bool = True
) -> gr.Dropdown:
    """The classes that a training with these ``settings`` told its generator, ``label`` chosen where there is that.

    ``every``: all in turn can be chosen too. Hidden where it was told none.
    """
    data = DATASETS.get(str(settings.get("dataset"))) if settings.get("conditional") else None
    names = () if data is None else data.classes_in(language)
    first = EACH if every else 0
    numbered = [(name, number) for number, name in enumerate(names)]
    choices = [(t("sample.all", language), EACH), *numbered] if every else numbered or [("0", 0)]
    return gr.Dropdown(choices=choices, value=label if label in range(len(names)) else first, visible=bool(names))


def _data_of(item: Item, language: Language) -> str:
    """What a generator draws."""
    dataset = str(item.recipe.get("settings", {}).get("dataset", ""))
    return known(f"name.dataset.{dataset}", language, item.title or item.name)


def _when(item: Item) -> str:
    return f"{datetime.fromtimestamp(item.created):%Y-%m-%d %H:%M}"
