"""The Text tab: a conversation, or a text that goes on where it was left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component

from pipelines.requests import TextRequest
from studio.engine.job import Job
from studio.locales import Language, i18n, t
from studio.tabs.following import Shown
from studio.tabs.modelled import ModelTab
from studio.tabs.parts import QUIET, Updates, actions, area, bench, ending, film, more, stage
from studio.tabs.views import View

MAX_TURNS = 100


class TextView(View):
    """The turns so far, the last of them growing."""

    def __init__(self, job: Job, language: Language) -> None:
        super().__init__(job, language)
        self.text = ""
        self.count = 0
        self.rate = 0.0

    def on_token(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.text += data["text"]
        self.count, self.rate = data["count"], data["rate"]
        if self.progress is not None and self.progress["stage"] == "generating":  # said once; the tokens count on
            self.progress = {**self.progress, "done": self.count}

    def on_state(self, data: Mapping[str, Any], at: float) -> None:
        if data["state"] == "queued":  # another attempt begins again
            self.text = ""
        super().on_state(data, at)

    def show(self) -> dict[str, Any]:
        request = self.job.request
        return {
            **super().show(),
            "mode": request.get("mode", "chat"),
            "history": [list(turn) for turn in request.get("history", ())],
            "prompt": request["prompt"],
            "text": self.text,
            "count": self.count,
            "rate": round(self.rate, 1),
        }

    def turns(self) -> list[list[str]]:
        """The conversation to send along with the next message."""
        history = [list(turn) for turn in self.job.request.get("history", ())]
        if self.job.request.get("mode") == "continue" or not self.text:
            return history
        return [*history, ["user", self.job.request["prompt"]], ["assistant", self.text]]


class TextTab(ModelTab):
    """Controls of a ``TextRequest``; the conversation so far is kept as turns beside them."""

    kind = "text"
    request = TextRequest
    view = TextView
    per_second = 10
    stopping = "finish"
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = tuple(
        {"mode": mode, "prompt": f"text.example.{number}", "history": ()}
        for number, mode in enumerate(("chat", "chat", "continue", "continue"))
    )

    def build(self) -> None:
        controls = self.controls
        self.turns = gr.State([])
        with bench(self.kind):
            with area("ask", self.kind):
                modes = [(str(i18n("text.chat")), "chat"), (str(i18n("text.continue")), "continue")]
                controls.segmented("mode", modes, "chat")
                self.prompt = controls.text("prompt", lines=5, max_lines=16, show_label=False, info=None)
                self.make_button, self.stop_button = actions(self.kind)
                self.lay_note()
                self.new = gr.Button(
                    i18n("text.new"), elem_id="text-new", elem_classes="quiet icon icon-plus", size="sm"
                )
            with area("stage", self.kind):
                self.stage = stage(self.kind, examples=len(self.examples))
            with area("more", self.kind):
                self._settings()
            with area("film", self.kind):
                self.film = film(self.kind)

    def _settings(self) -> None:
        controls = self.controls
        with gr.Group(elem_classes="common"):
            self.lay_menu()
            controls.slider("max_new_tokens")
        with more(self.kind):
            controls.text("system", lines=2, max_lines=8)
            controls.slider("temperature", 0.05)
            controls.slider("top_p", 0.01)
            controls.slider("top_k")
            controls.slider("repetition_penalty", 0.01)
            controls.text("stop", lines=1, max_lines=8, elem_id="text-stop-strings")  # Stop is text-stop
            controls.seed()
            self.ending = ending(self.kind)

    def wire(self) -> None:
        super().wire()
        self.new.click(self.begin_anew, outputs=[self.stage, self.turns, self.prompt], **QUIET)

    @property
    def extra(self) -> list[Component]:
        return [self.turns]

    @property
    def inputs(self) -> list[Component]:
        return [*super().inputs, self.turns]

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        values = self.controls.values(posted[:-1])
        values["stop"] = [line for line in str(values.get("stop", "")).splitlines() if line]
        values["history"] = posted[-1][-MAX_TURNS:] if values.get("mode") == "chat" else []
        return values

    def during(self, shown: Shown, first: bool) -> Updates:
        """The box empties once a message is taken, as in any conversation; a continuation stays to be varied."""
        taken = first and isinstance(shown, TextView) and shown.job.request.get("mode") == "chat"
        return {self.prompt: ""} if taken else {}

    def after(self, shown: Shown) -> Updates:
        """Keeps the turns; where nothing came of it, gives back what was typed."""
        if not isinstance(shown, TextView):
            return {}
        if shown.state in ("failed", "cancelled", "interrupted") and not shown.text:
            return {self.prompt: shown.job.request["prompt"]}
        return {self.turns: shown.turns()}

    def begin_anew(self) -> tuple[dict[str, Any], list[list[str]], str]:
        return {"state": "idle"}, [], ""

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, settings, language)
        if str(settings.get("prompt", "")).startswith("text.example."):
            updates[self.prompt] = t(settings["prompt"], "en")  # the one language that the default model writes
        if "stop" in settings:
            updates[self.controls.fields["stop"]] = "\n".join(settings["stop"])
        if "history" in settings:
            updates[self.turns] = [list(turn) for turn in settings["history"]]
        return updates


def build(studio: Any) -> TextTab:
    """The tab, laid out where it is called."""
    return TextTab(studio)
