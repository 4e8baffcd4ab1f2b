"""Exploring a generator: drag through a plane of what it can draw, morph, look whether it learned by heart.

A small bench at the foot of the Training tab. It looks into a training that still runs, too, by its newest snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr

from pipelines.requests import ExploreRequest
from pipelines.training.datasets import DATASETS
from studio.engine.branches import snapshots_of
from studio.locales import i18n
from studio.owners import owner_of
from studio.tabs.following import submit
from studio.tabs.generators import LEARNING, Choice, GeneratorBench, learning_of
from studio.tabs.parts import actions, film, stage
from studio.tabs.views import View
from studio.widgets import widget


class ExploreView(View):
    """What was asked goes with what came of it: the next look begins there."""

    def show(self) -> dict[str, Any]:
        return {**super().show(), "asked": dict(self.job.request)}


class ExploreTab(GeneratorBench):
    """Controls of an ``ExploreRequest`` of a plane; morphs and neighbours are asked for by the map itself."""

    kind = "explore"
    request = ExploreRequest
    view = ExploreView
    per_second = 4
    live = True
    every = False

    def build(self) -> None:
        controls = self.controls
        with gr.Column(visible=False, elem_id="explore-bench", elem_classes="subbench") as self.panel:
            gr.HTML(
                '<h2 class="section" data-i18n="explore.title"></h2>', apply_default_css=False, elem_classes="plain"
            )
            with gr.Row(elem_classes="sample-row"):
                self.generator = controls.menu("generator", [], value=None)
                self.label = controls.menu("label", [("0", 0)], visible=False)
                ways = [(str(i18n(f"directions.{name}")), name) for name in ("principal", "random")]
                controls.menu("directions", ways)
                controls.slider("spread", 0.1, 2)
                controls.seed()
            self.make_button, self.stop_button = actions(self.kind)
            self.ask = widget("ask", "explore-ask", None, events=("go",))
            self.stage = stage(self.kind)
            self.film = film(self.kind)

    def offers(self, choice: Choice) -> bool:
        """Not points, which are all seen at once."""
        data = DATASETS.get(str(choice.settings.get("dataset")))
        return data is None or not data.plane

    def wire(self) -> None:
        super().wire()
        self.streams(self.ask.go, self.look, self.ask)

    async def make(self, request: gr.Request, *posted: Any) -> AsyncIterator[dict[str, Any]]:
        """Submits a plane; of the training that runs now it is that of its newest snapshot."""
        owner = owner_of(request)
        values = self.values(posted)
        if values.get("generator") == LEARNING:
            values["generator"] = await asyncio.to_thread(self._newest, owner)
        views = submit(self.studio, lambda: (self.kind, values), request, self.make_view, self.per_second)
        async for shown in self.showing(views, request):
            yield shown

    async def look(self, asked: Mapping[str, Any] | None, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        """A morph or the neighbours of a place, as the map asks for it."""
        values = asked if isinstance(asked, Mapping) else {}
        views = submit(self.studio, lambda: (self.kind, values), request, self.make_view, self.per_second)
        async for shown in self.showing(views, request):
            yield shown

    def _newest(self, owner: str) -> str:
        """The newest snapshot of the training that runs, among the files; what was chosen stays where there is none."""
        job = learning_of(self.studio, owner)
        kept = snapshots_of(self.studio.workspaces, job) if job else []
        if job is None or not kept:
            return LEARNING
        return self.studio.keep_upload(owner, self.studio.workspaces.read(job.id, str(kept[-1].path)))
