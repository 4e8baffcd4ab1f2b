"""New pictures from a generator trained here: a small bench at the foot of the Training tab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.requests import SampleRequest
from studio.locales import Language, i18n, language_of
from studio.owners import owner_of
from studio.tabs.generators import EACH, class_menu, generators_of, menu_of
from studio.tabs.image import PicturesView
from studio.tabs.parts import QUIET, Updates, actions, film, stage
from studio.tabs.tab import Tab


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
        # unchecked: the page may tell of a new choice before gradio has noted that there is one
        self.generator.change(self.classes_of, self.told, self.label, preprocess=False, **QUIET)

    def classes_of(self, generator: str | None, label: int | None, request: gr.Request) -> gr.Dropdown:
        """The classes the chosen generator knows; nothing to choose where it knows none."""
        return self._classes(owner_of(request), language_of(request), generator, label)

    def _classes(self, owner: str, language: Language, generator: str | None, label: int | None) -> gr.Dropdown:
        items = generators_of(self.studio, owner)
        found: Mapping[str, Any] = next(
            (item.recipe.get("settings", {}) for item in items if item.digest == generator), {}
        )
        return class_menu(found, language, label)

    def choices(self, owner: str, language: Language, chosen: str | None = None, label: int | None = None) -> Updates:
        """The person's generators, newest first, the panel shown where there is one."""
        named = [(one.title, one.value) for one in menu_of(self.studio, owner, language)]
        value = chosen or (named[0][1] if named else None)
        shown = {self.panel: gr.Column(visible=bool(named)), self.generator: gr.Dropdown(choices=named, value=value)}
        return {**shown, self.label: self._classes(owner, language, value, label)}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, settings, language)
        return {**updates, **self.choices(owner, language, settings.get("generator"), settings.get("label"))}
