"""New pictures from a generator trained here: a small bench at the foot of the Training tab."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.requests import SampleRequest
from studio.library.library import Item
from studio.locales import Language, known
from studio.tabs.image import PicturesView
from studio.tabs.parts import Updates, actions, film, stage
from studio.tabs.tab import Tab

MAX_GENERATORS = 50


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
                controls.menu("generator", [], value=None)
                controls.slider("count")
                controls.slider("truncation", 0.05)
                controls.seed()
            self.make_button, self.stop_button = actions(self.kind)
            self.stage = stage(self.kind)
            self.film = film(self.kind)

    @property
    def extra(self) -> list[Component]:
        return [self.panel]

    def choices(self, owner: str, language: Language, chosen: str | None = None) -> Updates:
        """The person's generators, newest first, the panel shown where there is one."""
        items = self.studio.library.items(owner, ("training",), limit=MAX_GENERATORS)
        found = [item for item in items if item.name.endswith(".safetensors")]
        named = [(f"{_data_of(item, language)} · {_when(item)}", item.digest) for item in found]
        value = chosen or (named[0][1] if named else None)
        menu = gr.Dropdown(choices=named, value=value)
        return {self.panel: gr.Column(visible=bool(named)), self.controls.fields["generator"]: menu}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, settings, language)
        return {**updates, **self.choices(owner, language, settings.get("generator"))}


def _data_of(item: Item, language: Language) -> str:
    """What a generator draws."""
    dataset = str(item.recipe.get("settings", {}).get("dataset", ""))
    return known(f"name.dataset.{dataset}", language, item.title or item.name)


def _when(item: Item) -> str:
    return f"{datetime.fromtimestamp(item.created):%Y-%m-%d %H:%M}"
