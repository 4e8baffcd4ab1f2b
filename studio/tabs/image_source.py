"""What a picture begins from, on the Image tab: words alone, a picture, what is painted over, or margins to fill.

One segmented choice; the place to drop a picture, the brush and the margins appear where they apply. Knows uploads and
the controls; not models.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from pipelines.image.request import METHODS, SIDES
from studio.locales import i18n, language_of
from studio.owners import owner_of
from studio.tabs.brush import brush, over, over_again, take_mask
from studio.tabs.following import refuse, report
from studio.tabs.parts import QUIET, Controls, Updates
from studio.tabs.photos import describe, take_file
from studio.uploads import Upload
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

#: what is part of a request only where it is made by that method
_OF_METHODS: Mapping[str, tuple[str, ...]] = {
    "words": (),
    "picture": ("strength", "shape"),
    "paint": ("strength", "shape", "feather"),
    "extend": ("feather", *SIDES),
}
OWN_FIELDS = ("strength", "shape", "feather", *SIDES)


class Beginning:
    """The components. ``lay_choice`` goes above the button, ``lay_settings`` among the common settings."""

    def __init__(self, studio: Studio, controls: Controls) -> None:
        self.studio = studio
        self.controls = controls

    def lay_choice(self) -> None:
        choices: list[tuple[str, str]] = [(str(i18n(f"image.method.{name}")), name) for name in METHODS]
        self.method = self.controls.segmented("method", choices, "words")
        words: dict[str, Any] = {"file": "image-source", "words": "image.drop", "examples": [], "first": 0}
        self.shown = widget("drop", "image-source-drop", None, **words)
        self.file = Upload(
            file_count="single", type="filepath", elem_id="image-source", elem_classes="behind", show_label=False
        )
        self.brush = brush("image-mask", "image.brush")
        self.source = gr.State(None)

    def lay_settings(self) -> None:
        controls = self.controls
        controls.slider("strength", 0.05)
        with gr.Row(elem_classes="margins", elem_id="image-margins"):
            for side in SIDES:
                controls.number(side, 8)

    def lay_more(self) -> None:
        shapes = [(str(i18n(f"image.shape.{name}")), name) for name in ("source", "crop", "stretch")]
        self.controls.menu("shape", shapes)
        self.controls.slider("feather")

    def wire(self) -> None:
        taken = [self.source, self.shown, self.brush, self.file]
        self.file.upload(self.take, self.file, taken, **QUIET)

    @property
    def components(self) -> list[Component]:
        """Beyond the controls: what is posted besides them, and what ``fill`` sets."""
        return [self.source, self.brush]

    @property
    def targets(self) -> list[Component]:
        return [self.source, self.brush, self.shown]

    async def take(self, path: str, request: gr.Request) -> tuple[Any, Any, Any, None]:
        """Takes an upload in. One that cannot be read leaves the picture before it in place."""
        language = language_of(request)
        try:
            shown = await asyncio.to_thread(take_file, self.studio, owner_of(request), path)
        except StudioError as error:
            return gr.skip(), {"error": refuse(error, language)}, gr.skip(), None
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return gr.skip(), {"error": report(error, language)}, gr.skip(), None
        return shown["digest"], shown, over(shown), None

    def values(self, values: dict[str, Any], source: Any, painted: Any, owner: str) -> dict[str, Any]:
        """``values`` of the controls with what is begun from, and without what the method has no use for."""
        method = values.get("method", "words")
        unused = {name for name in OWN_FIELDS if name not in _OF_METHODS.get(method, ())}
        values = {name: value for name, value in values.items() if name not in unused}
        if method == "words":
            return values
        values["source"] = source or None
        if method == "paint" and source:
            values["mask"] = take_mask(self.studio, owner, painted, source)
        return values

    def fill(self, owner: str, settings: Mapping[str, Any]) -> Updates:
        """Source and mask of a recipe, or nothing of them where it has none."""
        source = settings.get("source")
        if not source:
            return {}
        shown = describe(self.studio, owner, source)
        mask = settings.get("mask") if settings.get("method") == "paint" else None
        return {self.source: source, self.shown: shown, self.brush: over_again(self.studio, owner, source, mask)}
