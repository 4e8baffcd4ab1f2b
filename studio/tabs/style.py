"""The Style tab: a photo painted in built-in styles, in those of pictures, or slowly and finest by optimisation.

What stands under "More" is left as it is by most: further styles, a mask, sizes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from pipelines.style.examples import PHOTOS, STYLE_PICTURES
from pipelines.style.request import MOST_STYLES, StyleRequest
from studio.engine.job import Job
from studio.locales import Language, i18n, language_of
from studio.owners import owner_of
from studio.tabs.brush import brush, over_again, take_mask
from studio.tabs.following import Shown, refuse, report, submit
from studio.tabs.gallery import builtin_styles, photo_cards, picture_cards, style_of
from studio.tabs.image import picture as preview_of
from studio.tabs.parts import QUIET, Updates, actions, area, bench, ending, film, more, stage
from studio.tabs.photos import describe, take_file, take_photo, take_still_or_moving
from studio.tabs.style_rates import Rates
from studio.tabs.tab import Tab
from studio.tabs.views import View
from studio.uploads import Upload
from studio.widgets import widget

PALETTES = ("style", "photo", "matched")
PIXELS = ("quick", "every")
#: controls that change what a painting takes
RECKONED_BY = ("parts", "pixels", "style_size", "edge", "steps")


class StyleView(View):
    """The photo while it is painted, then both."""

    before: Mapping[str, Any] | None = None
    preview: Mapping[str, Any] | None = None

    def on_preview(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.preview = {"step": data["step"], "total": data["total"], **preview_of(self.job, data["picture"])}

    def show(self) -> dict[str, Any]:
        shown = {**super().show(), "before": self.before, "style": self.job.request.get("style", "")}
        if shown["state"] in ("running", "paused"):
            shown["preview"] = self.preview
            shown["keeps"] = self.job.request.get("engine") == "finest" or self.job.request.get("what") == "film"
        return shown


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
        self.rates = Rates(self.studio)
        controls = self.controls
        with bench(self.kind):
            with area("ask", self.kind):
                self.photo, self.photo_shown, self.photo_file = _drop("photo")
                self.make_button, self.stop_button = actions(self.kind)
            with area("stage", self.kind):
                self.stage = stage(self.kind, examples=photo_cards())
            with area("more", self.kind):
                sources = [(str(i18n(f"style.{name}")), name) for name in ("builtin", "picture", "finest")]
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
                self.sheet_button = gr.Button(i18n("style.sheet"), size="sm", elem_id="style-sheet")
                self.picture, self.picture_shown, self.picture_file = _drop("picture", picture_cards(), len(PHOTOS))
                with gr.Group(elem_classes="common"):
                    controls.slider("strength", 0.05)
                    controls.menu("colors", [(str(i18n(f"style.colors.{one}")), one) for one in PALETTES])
                    self.reckoned = widget("reckoned", "style-reckoned", None)
                with more(self.kind):
                    self._further(styles)
                    self.ending = ending(self.kind)
            with area("film", self.kind):
                self.film = film(self.kind)

    def _further(self, styles: list[dict[str, Any]]) -> None:
        """What is folded: further styles, where to paint, and how large."""
        controls = self.controls
        controls.keep("parts", widget("blend", "style-parts", [], styles=styles))
        self.part_file = _behind("part")
        self.brush = brush("style-brush", "style.brush", heading="style.mask", regions=True, follows=True)
        controls.checkbox("mask_inverse")
        controls.slider("mask_soft", 0.5)
        controls.menu("pixels", [(str(i18n(f"style.pixels.{one}")), one) for one in PIXELS])
        controls.slider("detail", 0.05)
        controls.slider("style_size", 0.25)
        controls.slider("edge", 64)
        controls.slider("steps", 10)
        controls.slider("smooth", 0.05)
        controls.checkbox("scores")

    def wire(self) -> None:
        super().wire()
        self.streams(self.sheet_button.click, self.make_sheet, self.inputs)
        self.part_file.upload(
            self.take_part,
            [self.part_file, self.controls.fields["parts"]],
            [self.controls.fields["parts"], self.part_file],
            **QUIET,
        )
        shown = (self.photo_shown, self.picture_shown)
        asked = [*shown, *(self.controls.fields[name] for name in RECKONED_BY), self.source]
        for one in asked:
            one.change(  # type: ignore[attr-defined]
                self.reckon, self.inputs, self.reckoned, trigger_mode="always_last", **QUIET
            )
        photo = [self.photo, self.photo_shown, self.photo_file]
        self.photo_file.upload(self.take_photo, self.photo_file, photo, **QUIET)
        picture = [self.picture, self.picture_shown, self.picture_file]
        self.picture_file.upload(self.take, self.picture_file, picture, **QUIET)

    async def take_photo(self, path: str, request: gr.Request) -> tuple[Any, Any, None]:
        """The photo, or what moves in its place."""
        return await self.take(path, request, take_still_or_moving)

    async def take(self, path: str, request: gr.Request, reader: Any = take_file) -> tuple[Any, Any, None]:
        """Takes an upload in. One that cannot be read leaves the photo before it in place."""
        language = language_of(request)
        try:
            shown = await asyncio.to_thread(reader, self.studio, owner_of(request), path)
        except StudioError as error:
            return gr.skip(), {"error": refuse(error, language)}, None
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return gr.skip(), {"error": report(error, language)}, None
        return shown["digest"], shown, None

    async def take_part(self, path: str, parts: Any, request: gr.Request) -> tuple[Any, None]:
        """A picture as a further style."""
        language = language_of(request)
        try:
            shown = await asyncio.to_thread(take_file, self.studio, owner_of(request), path)
        except StudioError as error:
            refuse(error, language)
            return gr.skip(), None
        there = parts if isinstance(parts, list) else []
        part = {"picture": shown["digest"], "weight": 1.0, "region": 0, "url": shown["url"]}
        return [*there, part][: MOST_STYLES - 1], None

    async def make_sheet(self, request: gr.Request, *posted: Any) -> AsyncIterator[dict[str, Any]]:
        """All built-in styles on this photo."""
        photo = self.values(posted).get("photo")
        asked = {"photo": photo, "what": "sheet"} if photo else {"what": "sheet"}
        views = submit(self.studio, lambda: (self.kind, asked), request, self.make_view, self.per_second)
        async for shown in self.showing(views, request):
            yield shown

    async def reckon(self, request: gr.Request, *posted: Any) -> Any:
        """What a painting as it is asked for now would take; nothing where it would be refused."""
        values, owner = self.values(posted), owner_of(request)
        try:  # what a mask costs does not hang on what is in it: the photo stands in for it
            wanted = StyleRequest.parse({**values, "mask": values.get("photo")})
            shown = await asyncio.to_thread(describe, self.studio, owner, wanted.photo)
            return await self.rates.reckoned(owner, wanted, shown["width"], shown["height"])
        except StudioError:
            return None

    def after(self, shown: Shown) -> Updates:
        """What the painting took is remembered for the next one."""
        if isinstance(shown, View):
            self.rates.learn(shown.facts)
        return super().after(shown)

    @property
    def extra(self) -> list[Component]:
        return [self.photo, self.photo_shown, self.picture, self.picture_shown, self.source, self.brush, self.reckoned]

    @property
    def inputs(self) -> list[Component]:
        return [*super().inputs, self.photo, self.picture, self.source, self.brush, self.photo_shown]

    def wanted(self, posted: tuple[Any, ...], owner: str) -> tuple[str, dict[str, Any]]:
        values = self.values(posted)
        painted = posted[len(self.controls.fields) + 3]
        return self.kind, {**values, "mask": take_mask(self.studio, owner, painted, values.get("photo"), "RGB")}

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """The request as posted, what was brushed apart: that becomes a file of the person's only when it is used."""
        *controls, photo, picture, source, _, shown = posted
        values = self.controls.values(tuple(controls))
        if photo:
            values["photo"] = photo
        values["parts"] = [_part(part) for part in values.get("parts") or [] if isinstance(part, dict)]
        if source == "picture":
            values["style"], values["style_picture"] = "", picture or None
        elif source == "finest":
            values |= {"engine": "finest", "style_picture": picture or None}
            values["style"] = "" if picture else values.get("style", "")
        if isinstance(shown, dict) and shown.get("moving"):
            values["what"] = "film"
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
        asked = shown.job.request
        return {self.photo: asked["photo"], self.photo_shown: shown.before, **self._brushed(shown.job.owner, asked)}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        if "photo" in settings and (settings.get("style") or settings.get("style_picture")):  # of something made
            settings = StyleRequest.as_it_was(settings)
        plain = {name: value for name, value in settings.items() if name != "parts" and (name != "style" or value)}
        updates = super().fill(owner, plain, language)
        if "parts" in settings:
            updates[self.controls.fields["parts"]] = [self._shown_part(owner, part) for part in settings["parts"]]
        updates |= self._brushed(owner, settings)
        if shown := self._found(owner, settings, "photo_file", "photo"):
            updates |= {self.photo: shown["digest"], self.photo_shown: shown}
        if shown := self._found(owner, settings, "picture_file", "style_picture"):
            updates |= {self.picture: shown["digest"], self.picture_shown: shown, self.source: "picture"}
        elif settings.get("style"):
            updates[self.source] = "builtin"
        if settings.get("engine") == "finest":
            updates[self.source] = "finest"
        return updates

    def _brushed(self, owner: str, settings: Mapping[str, Any]) -> Updates:
        """What a recipe has brushed over its photo. Without one, or with one that moves, the brush stays as it is."""
        if not settings.get("photo") or settings.get("what") == "film":
            return {}
        return {self.brush: over_again(self.studio, owner, settings["photo"], settings.get("mask"))}

    def _shown_part(self, owner: str, part: Mapping[str, Any]) -> dict[str, Any]:
        """A further style as the page keeps it, with a picture to show."""
        url = describe(self.studio, owner, part["picture"])["url"] if part.get("picture") else ""
        return {**part, "url": url}

    def _found(self, owner: str, settings: Mapping[str, Any], file: str, digest: str) -> dict[str, Any] | None:
        """A picture of our own by its file, or one of the person's by its digest."""
        if file in settings:
            return take_photo(self.studio, owner, settings[file].read_bytes())
        return describe(self.studio, owner, settings[digest]) if settings.get(digest) else None


def _drop(name: str, examples: list[dict[str, Any]] | None = None, first: int = 0) -> tuple[gr.State, gr.HTML, gr.File]:
    """A place to drop, paste or choose a picture: its digest, what is shown of it, and the file input behind it."""
    words: dict[str, Any] = {
        **({"formats": "style.drop.formats"} if name == "photo" else {}),
        "file": f"style-{name}",
        "words": f"style.drop.{name}",
        "examples": examples or [],
        "first": first,
    }
    shown = widget("drop", f"style-{name}-drop", None, **words)
    return gr.State(None), shown, _behind(name)


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A further style as the request has it, of what the page keeps of it."""
    return {name: part[name] for name in ("style", "picture", "weight", "region") if name in part}


def _behind(name: str) -> Upload:
    """A file input that a script fills."""
    return Upload(
        file_count="single", type="filepath", elem_id=f"style-{name}", elem_classes="behind", show_label=False
    )


def build(studio: Any) -> StyleTab:
    """The tab, laid out where it is called."""
    return StyleTab(studio)
