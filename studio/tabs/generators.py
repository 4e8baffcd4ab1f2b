"""The generators a person has, as menus want them, and what benches that work with one of them have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import gradio as gr
from gradio.components import Component

from pipelines.training.datasets import DATASETS
from studio.engine.job import Job
from studio.library.library import Item
from studio.locales import Language, known, language_of, t
from studio.owners import owner_of
from studio.tabs.parts import QUIET, Updates
from studio.tabs.recipes import word_of
from studio.tabs.tab import Tab

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
        Choice(
            " · ".join([_data_of(item, language), *_of_sweep(item, language), _when(item)]),
            item.digest,
            item.recipe.get("settings", {}),
        )
        for item in generators_of(studio, owner)
    ]
    job = learning_of(studio, owner) if live else None
    return ([Choice(t("explore.learning", language), LEARNING, job.request)] if job else []) + found


class GeneratorBench(Tab):
    """A bench that works with one of a person's generators; hidden until there is one."""

    #: the training that runs now can be chosen too; all classes in turn can be
    live: ClassVar[bool] = False
    every: ClassVar[bool] = True

    #: laid by ``build``
    panel: Any  # a gr.Column, which gradio takes for a component without calling it one
    generator: gr.Dropdown
    label: gr.Dropdown

    def offers(self, choice: Choice) -> bool:
        """Whether the bench can do anything with that generator."""
        del choice
        return True

    @property
    def extra(self) -> list[Component]:
        return [self.panel]

    @property
    def told(self) -> list[Component]:
        """What ``choices`` sets besides the panel."""
        return [self.generator, self.label]

    def wire(self) -> None:
        super().wire()
        # unchecked: the page may tell of a new choice before gradio has noted that there is one
        self.generator.change(self.classes_of, self.told, self.label, preprocess=False, **QUIET)

    def classes_of(self, generator: str | None, label: int | None, request: gr.Request) -> gr.Dropdown:
        """The classes the chosen generator knows; nothing to choose where it knows none."""
        language = language_of(request)
        return self._classes(self._menu(owner_of(request), language), language, generator, label)

    def _menu(self, owner: str, language: Language) -> list[Choice]:
        return [one for one in menu_of(self.studio, owner, language, self.live) if self.offers(one)]

    def _classes(
        self, menu: Sequence[Choice], language: Language, generator: str | None, label: int | None
    ) -> gr.Dropdown:
        settings: Mapping[str, Any] = next((one.settings for one in menu if one.value == generator), {})
        return class_menu(settings, language, label, self.every)

    def choices(self, owner: str, language: Language, chosen: str | None = None, label: int | None = None) -> Updates:
        """The person's generators, newest first, the panel shown where there is one."""
        menu = self._menu(owner, language)
        value = chosen or (menu[0].value if menu else None)
        return {
            self.panel: gr.Column(visible=bool(menu)),
            self.generator: gr.Dropdown(choices=[(one.title, one.value) for one in menu], value=value),
            self.label: self._classes(menu, language, value, label),
        }

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, settings, language)
        return {**updates, **self.choices(owner, language, settings.get("generator"), settings.get("label"))}


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


def _of_sweep(item: Item, language: Language) -> list[str]:
    """What one of several has of its own; nothing for a training that was begun alone."""
    settings = item.recipe.get("settings", {})
    if not settings.get("sweep"):
        return []
    varied = str(settings.get("varied") or "")
    said = [f"{t(word_of(varied), language)} {settings.get(varied)}"] if varied else []
    return [*said, f"{t('field.seed', language)} {settings.get('seed')}"]


def _data_of(item: Item, language: Language) -> str:
    """What a generator draws."""
    dataset = str(item.recipe.get("settings", {}).get("dataset", ""))
    return known(f"name.dataset.{dataset}", language, item.title or item.name)


def _when(item: Item) -> str:
    return f"{datetime.fromtimestamp(item.created):%Y-%m-%d %H:%M}"
