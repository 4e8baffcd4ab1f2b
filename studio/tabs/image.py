"""The Image tab: pictures from words, seen while they come out of the noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from pipelines.requests import ImageRequest
from studio.engine.job import Job
from studio.locales import Language, i18n, t
from studio.tabs.modelled import ModelTab
from studio.tabs.models import model_cards
from studio.tabs.parts import Updates, actions, area, bench, film, more, stage
from studio.tabs.views import View

#: (name of a scheduler in the request, as it is called where it was published)
SCHEDULERS = (
    ("dpm++ 2m", "DPM++ 2M"),
    ("dpm++ 2m karras", "DPM++ 2M Karras"),
    ("unipc", "UniPC"),
    ("euler", "Euler"),
    ("euler a", "Euler ancestral"),
    ("heun", "Heun"),
    ("ddim", "DDIM"),
    ("ddpm", "DDPM"),
    ("pndm", "PNDM"),
    ("lcm", "LCM"),
)


class PicturesView(View):
    """The latest preview, then the pictures."""

    def __init__(self, job: Job, language: Language) -> None:
        super().__init__(job, language)
        self.preview: dict[str, Any] | None = None

    def on_preview(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.preview = {"step": data["step"], "total": data["total"], **picture(self.job, data["picture"])}

    def show(self) -> dict[str, Any]:
        shown = {**super().show(), "title": str(self.job.request.get("prompt", ""))}
        if shown["state"] in ("queued", "running", "paused"):
            shown["preview"] = self.preview
        return shown


def picture(job: Job, data: Mapping[str, Any]) -> dict[str, Any]:
    """A picture of an event, with the address it is served under."""
    return {"url": f"/jobs/{job.id}/files/{data['file']}", "width": data["width"], "height": data["height"]}


class ImageTab(ModelTab):
    """Controls of an ``ImageRequest``."""

    kind = "image"
    request = ImageRequest
    view = PicturesView
    per_second = 4
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = tuple({"prompt": f"image.example.{n}"} for n in range(4))

    def build(self) -> None:
        controls = self.controls
        with bench(self.kind):
            with area("ask", self.kind):
                controls.text("prompt", lines=4, max_lines=12, show_label=False, info=None)
                self.make_button, self.stop_button = actions(self.kind)
                self.lay_note()
            with area("stage", self.kind):
                cards = model_cards(self.studio, self.kind)
                self.stage = stage(self.kind, models=cards, examples=len(self.examples))
            with area("more", self.kind):
                self._settings()
            with area("film", self.kind):
                self.film = film(self.kind)

    def _settings(self) -> None:
        controls = self.controls
        with gr.Group(elem_classes="common"):
            self.lay_menu()
            with gr.Row(elem_classes="pair"):
                controls.slider("width")
                controls.slider("height")
            controls.slider("count")
        with more(self.kind):
            controls.text("negative_prompt", lines=2, max_lines=6)
            controls.slider("steps")
            controls.slider("guidance", 0.1)
            schedulers = [(str(i18n("image.scheduler.own")), ""), *((title, name) for name, title in SCHEDULERS)]
            controls.menu("scheduler", schedulers)
            controls.seed()

    def greeting(self, owner: str, language: Language) -> Updates:
        """Which models are here now, too: one may have been fetched since the page was built."""
        idle = {"state": "idle", "models": model_cards(self.studio, self.kind)}
        return {**super().greeting(owner, language), self.stage: idle}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, settings, language)
        if str(settings.get("prompt", "")).startswith("image.example."):
            updates[self.controls.fields["prompt"]] = t(settings["prompt"], language)
        return updates


def build(studio: Any) -> ImageTab:
    """The tab, laid out where it is called."""
    return ImageTab(studio)
