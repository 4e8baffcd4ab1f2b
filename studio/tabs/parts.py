"""The pieces tabs are made of. Ranges and defaults are read from the request classes, so that they exist once.

Knows gradio components and element ids (``KIND-name``); does not know what any tab does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import gradio as gr
from gradio.components import Component

from pipelines.base import Request
from studio.locales import STRINGS, i18n
from studio.widgets import widget

#: what a handler changes: components and layout blocks with their new values
Updates: TypeAlias = dict[Any, Any]

#: every listener of ours: no public endpoint, no queue of its own, no spinner laid over the result
QUIET: Mapping[str, Any] = {"api_visibility": "private", "concurrency_limit": None, "show_progress": "hidden"}


C = TypeVar("C", bound=Component)


class Controls:
    """Makes the controls of one kind of request and remembers them by field."""

    def __init__(self, kind: str, request: type[Request]) -> None:
        self.kind = kind
        self.request = request
        self.fields: dict[str, Component] = {}
        #: where a control begins, if not at the field's default
        self.preferred: Mapping[str, Any] = {}

    def _words(self, name: str) -> dict[str, Any]:
        own = f"field.{self.kind}.{name}"  # where a setting means something else here than in other tabs
        label = own if own in STRINGS["en"] else f"field.{name}"
        return {"label": i18n(label), "info": i18n(f"help.{self.kind}.{name}"), "elem_id": self.id(name)}

    def id(self, name: str) -> str:
        return f"{self.kind}-{name.replace('_', '-')}"

    def default(self, name: str) -> Any:
        return self.preferred.get(name, self.request.model_fields[name].default)

    def limits(self, name: str) -> dict[str, Any]:
        """``ge``, ``gt``, ``le``, ``multiple_of`` of a field, as far as it has them."""
        found: dict[str, Any] = {}
        for rule in self.request.model_fields[name].metadata:
            for word in ("ge", "gt", "le", "multiple_of", "max_length"):
                if (limit := getattr(rule, word, None)) is not None:
                    found[word] = limit
        return found

    def slider(self, name: str, step: float = 1, top: float | None = None) -> gr.Slider:
        """A slider over the field's range; ``top`` shortens what the handle covers, not what may be typed elsewhere."""
        limits = self.limits(name)
        step = limits.get("multiple_of", step)
        low = limits["ge"] if "ge" in limits else limits["gt"] + step
        high = limits["le"] if top is None else min(top, limits["le"])
        made = gr.Slider(low, high, value=self.default(name), step=step, buttons=[], **self._words(name))
        return self.keep(name, made)

    def number(self, name: str, step: float = 1, precision: int | None = 0) -> gr.Number:
        """A number box. It sends what was typed: the request says what is wrong with it, in a sentence."""
        made = gr.Number(self.default(name), step=step, precision=precision, **self._words(name))
        return self.keep(name, made)

    def text(self, name: str, lines: int = 3, max_lines: int = 12, **more: Any) -> gr.Textbox:
        words = {**self._words(name), "placeholder": i18n(f"hint.{self.kind}.{name}"), **more}
        return self.keep(name, gr.Textbox(lines=lines, max_lines=max_lines, **words))

    def checkbox(self, name: str) -> gr.Checkbox:
        return self.keep(name, gr.Checkbox(self.default(name), **self._words(name)))

    def menu(self, name: str, choices: Sequence[tuple[str, str | int]], free: bool = False, **more: Any) -> gr.Dropdown:
        """A menu; ``free`` lets a person type a value of their own."""
        words = {**self._words(name), "value": self.default(name), **more}
        made = gr.Dropdown(list(choices), allow_custom_value=free, filterable=free or len(choices) > 12, **words)
        return self.keep(name, made)

    def seed(self) -> tuple[gr.Checkbox, gr.Number]:
        """A number, and a box that asks for a fresh one each time (-1). The number is hidden while it is ticked."""
        with gr.Row(elem_classes="seed-row"):
            fresh = gr.Checkbox(
                True, label=i18n("field.fresh"), elem_id=f"{self.kind}-seed-fresh", info=i18n("help.fresh")
            )
            number = gr.Number(0, step=1, precision=0, **self._words("seed"))
        self.fields["seed_fresh"] = fresh
        return fresh, self.keep("seed", number)

    def segmented(self, name: str, choices: list[tuple[str, str]], value: str) -> gr.Radio:
        made = gr.Radio(
            choices,
            value=value,
            label=i18n(f"field.{name}"),
            show_label=False,
            container=False,
            elem_id=self.id(name),
            elem_classes="segmented",
        )
        return self.keep(name, made)

    def keep(self, name: str, component: C) -> C:
        """Makes a component of the tab's own the control of a field."""
        self.fields[name] = component
        return component

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """Posted values by field; the seed is -1 where a fresh one is wanted. Empty numbers keep their default."""
        found = dict(zip(self.fields, posted, strict=True))
        if found.pop("seed_fresh", False):
            found["seed"] = -1
        return {name: value for name, value in found.items() if value is not None}

    def fill(self, settings: Mapping[str, Any]) -> Updates:
        """What puts ``settings`` into the controls; a seed among them is kept for the next time."""
        updates: Updates = {
            component: settings[name] for name, component in self.fields.items() if settings.get(name) is not None
        }
        seed = settings.get("seed")
        if "seed_fresh" in self.fields:
            updates[self.fields["seed_fresh"]] = seed is None or seed < 0
            if seed is None or seed < 0:
                updates.pop(self.fields["seed"], None)
        return updates


@contextmanager
def bench(kind: str) -> Iterator[None]:
    """The layout every tab has: what is asked, what came of it, the settings, and earlier results."""
    with gr.Column(elem_id=f"{kind}-bench", elem_classes="bench"):
        yield


def area(name: str, kind: str) -> gr.Column:
    """One area of the bench: ask, stage, more or film. The style sheet puts them in place."""
    return gr.Column(elem_id=f"{kind}-area-{name}", elem_classes=f"area area-{name}", min_width=0)


def more(kind: str) -> gr.Accordion:
    return gr.Accordion(i18n("more"), open=False, elem_id=f"{kind}-more-settings", elem_classes="more")


def fold(kind: str, name: str) -> gr.Accordion:
    """A further group of settings, closed, under a title of its own."""
    return gr.Accordion(i18n(f"{kind}.fold.{name}"), open=False, elem_id=f"{kind}-fold-{name}", elem_classes="more")


def ending(kind: str) -> gr.Checkbox:
    """Whether what is made ends when the page is closed."""
    words: dict[str, Any] = {"label": i18n("field.ends_with_page"), "info": i18n("help.ends_with_page")}
    return gr.Checkbox(False, elem_id=f"{kind}-ends-with-page", **words)


def actions(kind: str) -> tuple[gr.Button, gr.Button]:
    """The one primary button and the Stop that takes its place while something runs."""
    with gr.Row(elem_classes="actions"):
        make = gr.Button(
            i18n(f"{kind}.make"), variant="primary", elem_id=f"{kind}-make", elem_classes=f"make icon icon-{kind}"
        )
        stop = gr.Button(i18n("stop"), variant="stop", elem_id=f"{kind}-stop", elem_classes="stop icon icon-stop")
    return make, stop


def stage(kind: str, **fixed: Any) -> gr.HTML:
    """The result. It says ``mounted`` once it is in the page, which for a tab is when it is first opened.

    ``follow`` when a job was begun elsewhere that is to be shown here, ``told`` when more than it waits for the page.
    """
    return widget(f"stage-{kind}", f"{kind}-result", {"state": "idle"}, events=("mounted", "follow", "told"), **fixed)


def film(kind: str) -> gr.HTML:
    return widget("film", f"{kind}-film", [], kind=kind)


def settled(kind: str) -> str:
    """Script for after a handler: whatever happened, the button is Make again unless the job still runs."""
    return f"() => {{ window.atelier.settled('{kind}'); }}"
