"""New pictures from a generator trained here: a small bench at the foot of the Training tab."""

from __future__ import annotations

import gradio as gr

from pipelines.requests import SampleRequest
from studio.locales import i18n
from studio.tabs.generators import EACH, GeneratorBench
from studio.tabs.image import PicturesView
from studio.tabs.parts import actions, film, stage


class SampleTab(GeneratorBench):
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
