"""New pictures from a generator trained here: a small bench at the foot of the Training tab."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.requests import SampleRequest
from pipelines.training.datasets import DATASETS
from studio.library.library import Item
from studio.locales import Language, i18n, known, language_of, t
from studio.owners import owner_of
from studio.tabs.image import PicturesView
from studio.tabs.parts import QUIET, Updates, actions, film, stage
from studio.tabs.tab import Tab

MAX_GENERATORS = 50
EACH = -1  # all classes in turn


class SampleTab(Tab):
    """Controls of a ``SampleRequest``. Hidden until this person has a generator."""

    kind = "sample"
    request = SampleRequest
    view = PicturesView
    per_second = 4

    def build(self) -> None:
        controls = self.controls
        with gr.Column(visible=False, elem_id="sample-bench", elem_classes="subbench") as self.panel:
            gr.HTML('<h2 class="section" data-i18n="sample.title"></h2>', apply_default_css=False, elem_classes="plain")
            with gr.Row(elem_classes="sample-row"):
                self.generator = controls.menu("generator", [], value=None)
                self.label = controls.menu("label", [(str(i18n("sample.all")), EACH)], visible=False)
                controls.slider("count")
                controls.slider("truncation", 0.05)
                controls.seed()
            self.make_button, self.stop_button = actions(self.kind)
            self.stage = stage(self.kind)
            self.film = film(self.kind)

    @property
    def extra(self) -> list[Component]:
        return [self.panel]

    @property
    def told(self) -> list[Component]:
        """What ``choices`` sets besides the panel."""
        return [self.generator, self.label]

    def wire(self) -> None:
        super().wire()
        self.generator.change(self.classes_of, self.told, self.label, **QUIET)

    def classes_of(self, generator: str | None, label: int | None, request: gr.Request) -> gr.Dropdown:
        """The classes the chosen generator knows; nothing to choose where it knows none."""
        found = next((item for item in self._generators(owner_of(request)) if item.digest == generator), None)
        return _menu(found, language_of(request), label)

    def _generators(self, owner: str) -> list[Item]:
        """The person's, newest first."""
        items = self.studio.library.items(owner, ("training",), limit=MAX_GENERATORS)
        return [item for item in items if item.name.endswith(".safetensors")]

    def choices(self, owner: str, language: Language, chosen: str | None = None, label: int | None = None) -> Updates:
        """The person's generators, newest first, the panel shown where there is one."""
        found = self._generators(owner)
        named = [(f"{_data_of(item, language)} · {_when(item)}", item.digest) for item in found]
        value = chosen or (named[0][1] if named else None)
        item = next((item for item in found if item.digest == value), None)
        shown = {self.panel: gr.Column(visible=bool(named)), self.generator: gr.Dropdown(choices=named, value=value)}
        return {**shown, self.label: _menu(item, language, label)}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, settings, language)
        return {**updates, **self.choices(owner, language, settings.get("generator"), settings.get("label"))}


def _data_of(item: Item, language: Language) -> str:
    """What a generator draws."""
    dataset = str(item.recipe.get("settings", {}).get("dataset", ""))
    return known(f"name.dataset.{dataset}", language, item.title or item.name)


def _menu(item: Item | None, language: Language, label: int | None) -> gr.Dropdown:
    """The classes of the generator in ``item``, ``label`` chosen where it has that; hidden where it was told none."""
    settings = item.recipe.get("settings", {}) if item else {}
    data = DATASETS.get(str(settings.get("dataset"))) if settings.get("conditional") else None
    names = () if data is None else data.classes_in(language)
    every = t("sample.all", language)
    choices = [(every, EACH), *((name, number) for number, name in enumerate(names))]
    return gr.Dropdown(choices=choices, value=label if label in range(len(names)) else EACH, visible=bool(names))


def _when(item: Item) -> str:
    return f"{datetime.fromtimestamp(item.created):%Y-%m-%d %H:%M}"
