"""The Style tab: a photo painted in a built-in style, or in that of any picture."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from pipelines.style.examples import PHOTOS, STYLE_PICTURES
from pipelines.style.request import StyleRequest
from studio.engine.job import Job
from studio.locales import Language, i18n, language_of
from studio.owners import owner_of
from studio.tabs.following import Shown, refuse, report
from studio.tabs.gallery import builtin_styles, photo_cards, picture_cards, style_of
from studio.tabs.parts import QUIET, Updates, actions, area, bench, film, stage
from studio.tabs.photos import describe, take_file, take_photo
from studio.tabs.tab import Tab
from studio.tabs.views import View
from studio.uploads import Upload
from studio.widgets import widget


class StyleView(View):
    """The photo while it is painted, then both."""

    before: Mapping[str, Any] | None = None

    def show(self) -> dict[str, Any]:
        return {**super().show(), "before": self.before, "style": self.job.request.get("style", "")}


class StyleTab(Tab):
    """Controls of a ``StyleRequest``. Photos are kept by digest; what the page shows of them is a small copy."""

    kind = "style"
    request = StyleRequest
    view = StyleView
    per_second = 5
    #: our photos, painted by a click; then our style pictures, which only fill in
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        *({"photo_file": photo.path, "style": style_of(photo)} for photo in PHOTOS),
        *({"picture_file": picture.path} for picture in STYLE_PICTURES),
    )

    def build(self) -> None:
        controls = self.controls
        with bench(self.kind):
            with area("ask", self.kind):
                self.photo, self.photo_shown, self.photo_file = _drop("photo")
                self.make_button, self.stop_button = actions(self.kind)
            with area("stage", self.kind):
                self.stage = stage(self.kind, examples=photo_cards())
            with area("more", self.kind):
                sources = [(str(i18n("style.builtin")), "builtin"), (str(i18n("style.picture")), "picture")]
                self.source = gr.Radio(
                    sources,
                    value="builtin",
                    label=i18n("style.source"),
                    show_label=False,
                    container=False,
                    elem_id="style-source",
                    elem_classes="segmented",
                )
                styles = builtin_styles()
                names: dict[str, Any] = {"choices": styles, "layout": "thumbs", "label": "style.builtin"}
                controls.keep("style", widget("choices", "style-style", styles[0]["id"], **names))
                self.picture, self.picture_shown, self.picture_file = _drop("picture", picture_cards(), len(PHOTOS))
                with gr.Group(elem_classes="common"):
                    controls.slider("strength", 0.05)
                    controls.checkbox("keep_colors")
            with area("film", self.kind):
                self.film = film(self.kind)

    def wire(self) -> None:
        super().wire()
        photo = [self.photo, self.photo_shown, self.photo_file]
        self.photo_file.upload(self.take, self.photo_file, photo, **QUIET)
        picture = [self.picture, self.picture_shown, self.picture_file]
        self.picture_file.upload(self.take, self.picture_file, picture, **QUIET)

    async def take(self, path: str, request: gr.Request) -> tuple[Any, Any, None]:
        """Takes an upload in. One that cannot be read leaves the photo before it in place."""
        language = language_of(request)
        try:
            shown = await asyncio.to_thread(take_file, self.studio, owner_of(request), path)
        except StudioError as error:
            return gr.skip(), {"error": refuse(error, language)}, None
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return gr.skip(), {"error": report(error, language)}, None
        return shown["digest"], shown, None

    @property
    def extra(self) -> list[Component]:
        return [self.photo, self.photo_shown, self.picture, self.picture_shown, self.source]

    @property
    def inputs(self) -> list[Component]:
        return [*super().inputs, self.photo, self.picture, self.source]

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        *controls, photo, picture, source = posted
        values = self.controls.values(tuple(controls))
        if photo:
            values["photo"] = photo
        if source == "picture":
            values["style"], values["style_picture"] = "", picture or None
        return values

    def make_view(self, job: Job, language: Language) -> View:
        view = super().make_view(job, language)
        if isinstance(view, StyleView):
            view.before = describe(self.studio, job.owner, job.request["photo"])
        return view

    def during(self, shown: Shown, first: bool) -> Updates:
        """A page that was reloaded gets its photo back."""
        if not first or not isinstance(shown, StyleView):
            return {}
        return {self.photo: shown.job.request["photo"], self.photo_shown: shown.before}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, {k: v for k, v in settings.items() if k != "style" or v}, language)
        if shown := self._found(owner, settings, "photo_file", "photo"):
            updates |= {self.photo: shown["digest"], self.photo_shown: shown}
        if shown := self._found(owner, settings, "picture_file", "style_picture"):
            updates |= {self.picture: shown["digest"], self.picture_shown: shown, self.source: "picture"}
        elif settings.get("style"):
            updates[self.source] = "builtin"
        return updates

    def _found(self, owner: str, settings: Mapping[str, Any], file: str, digest: str) -> dict[str, Any] | None:
        """A picture of our own by its file, or one of the person's by its digest."""
        if file in settings:
            return take_photo(self.studio, owner, settings[file].read_bytes())
        return describe(self.studio, owner, settings[digest]) if settings.get(digest) else None


def _drop(name: str, examples: list[dict[str, Any]] | None = None, first: int = 0) -> tuple[gr.State, gr.HTML, gr.File]:
    """A place to drop, paste or choose a picture: its digest, what is shown of it, and the file input behind it."""
    words: dict[str, Any] = {
        "file": f"style-{name}",
        "words": f"style.drop.{name}",
        "examples": examples or [],
        "first": first,
    }
    shown = widget("drop", f"style-{name}-drop", None, **words)
    file = Upload(
        file_count="single", type="filepath", elem_id=f"style-{name}", elem_classes="behind", show_label=False
    )
    return gr.State(None), shown, file


def build(studio: Any) -> StyleTab:
    """The tab, laid out where it is called."""
    return StyleTab(studio)
