"""The Image tab: pictures from words, seen while they come out of the noise.

What is asked depends on the model: stickers have drawing styles and one size, others a size of their own choice. The
server says which (``traits``), the style sheet hides the rest, and a hidden control is not part of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

import gradio as gr
from gradio.components import Component

from pipelines.entries import Entry
from pipelines.image.families import methods_of, takes_loras
from pipelines.image.request import METHODS, Axis, ImageRequest
from pipelines.image.variants import plan
from studio.engine.job import Job
from studio.locales import Language, i18n, t
from studio.tabs.following import Shown, tell
from studio.tabs.gallery import drawing_styles
from studio.tabs.image_help import Helping
from studio.tabs.image_lora import Laid
from studio.tabs.image_sizes import read_size, size_menu, sizes
from studio.tabs.image_source import Beginning
from studio.tabs.modelled import ModelTab
from studio.tabs.models import chosen_first, model_cards
from studio.tabs.own import KIND as OWN_KIND
from studio.tabs.parts import QUIET, Updates, actions, area, bench, ending, film, fold, more, stage
from studio.tabs.views import View
from studio.widgets import widget

#: of a person's networks trained on own pictures, that are looked through for a name
MAX_OWN = 500

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
        #: whether there is one picture to come, or several made at once: those can be had as they are
        self.at_once = job.kind == "image" and not _one_by_one(job)

    def on_kept(self, data: Mapping[str, Any], at: float) -> None:
        """Some of the pictures are finished while the others are still made."""
        del at
        self.items = [*self.items, *data["items"]]

    def on_preview(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.preview = {"step": data["step"], "total": data["total"], **picture(self.job, data["picture"])}

    def show(self) -> dict[str, Any]:
        shown = {**super().show(), "title": str(self.job.request.get("prompt", ""))}
        if shown["state"] in ("queued", "running", "paused"):
            shown["preview"] = self.preview
            shown["keeps"] = self.at_once and shown["state"] == "running"
        return shown


def _one_by_one(job: Job) -> bool:
    """Whether the job is for pictures of which one may be the last."""
    return len(plan(ImageRequest.parse(job.request), job.seed).shots) > 1


def _axis_name(field: str) -> str:
    """What a grid goes over, in the words of the control it takes the place of."""
    return str(i18n("image.axis.words" if field == "words" else f"field.{field}"))


def picture(job: Job, data: Mapping[str, Any]) -> dict[str, Any]:
    """A picture of an event, with the address it is served under."""
    return {"url": f"/jobs/{job.id}/files/{data['file']}", "width": data["width"], "height": data["height"]}


class ImageTab(ModelTab):
    """Controls of an ``ImageRequest``."""

    kind = "image"
    also = ("upscale",)
    request = ImageRequest
    view = PicturesView
    per_second = 4
    #: prompts as strings of the locales: pictures, then stickers
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        *({"prompt": f"image.example.{n}"} for n in range(4)),
        *({"prompt": f"sticker.example.{n}"} for n in range(6)),
    )

    def build(self) -> None:
        controls = self.controls
        self.beginning = Beginning(self.studio, controls)
        self.helping = Helping(self)
        self.laid = Laid(self.studio)
        with bench(self.kind):
            with area("ask", self.kind):
                controls.text("prompt", lines=4, max_lines=12, show_label=False, info=None)
                self.beginning.lay_choice()
                controls.keep("weights", widget("chip", "image-weights", None))
                self.make_button, self.stop_button = actions(self.kind)
                self.after_button = gr.Button(
                    i18n("image.after"), visible=False, size="sm", elem_id="image-after", elem_classes="stop quiet"
                )
                self.lay_note()
            with area("stage", self.kind):
                cards = model_cards(self.studio, self.kind)
                prompts = [example["prompt"] for example in self.examples]
                self.stage = stage(self.kind, models=cards, examples=prompts)
            with area("more", self.kind):
                self._settings()
            with area("film", self.kind):
                self.film = film(self.kind)

    def _settings(self) -> None:
        controls = self.controls
        with gr.Group(elem_classes="common"):
            self.lay_menu()
            styles: dict[str, Any] = {"choices": drawing_styles(), "layout": "words", "label": "field.style"}
            controls.keep("style", widget("choices", "image-style", "", heading="help.image.style", **styles))
            self.beginning.lay_settings()
            self.sizes = size_menu(chosen_first(self.studio, self.kind))
            with gr.Row(elem_classes="pair"):
                controls.slider("width")
                controls.slider("height")
            controls.slider("count")
            first = self.traits_of(chosen_first(self.studio, self.kind))
            self.traits = widget("traits", "image-traits", first, events=("mounted",))
        with more(self.kind):
            self.beginning.lay_more()
            controls.text("negative_prompt", lines=2, max_lines=6)
            controls.slider("steps")
            controls.slider("guidance", 0.1)
            schedulers = [(str(i18n("image.scheduler.own")), ""), *((title, name) for name, title in SCHEDULERS)]
            controls.menu("scheduler", schedulers)
            controls.seed()
            self.ending = ending(self.kind)
        self.laid.lay(getattr(chosen_first(self.studio, self.kind), "name", ""))
        with fold(self.kind, "larger"):
            controls.slider("enlarge", 0.25)
            controls.slider("enlarge_strength", 0.05)
            controls.menu("upscale", [(str(i18n(f"image.upscale.{factor}")), factor) for factor in (1, 2, 4)])
        with fold(self.kind, "many"):
            self._many()
        self.helping.lay()

    def _many(self) -> None:
        """One request for many pictures: lines, choices, and grids over settings."""
        controls = self.controls
        controls.checkbox("lines")
        controls.menu("wildcards", [(str(i18n(f"image.wildcards.{name}")), name) for name in ("each", "all")])
        controls.text("lists", lines=2, max_lines=8)
        axes = [(str(i18n("image.axis.none")), ""), *((_axis_name(name), name) for name in get_args(Axis) if name)]
        for place in ("x", "y"):
            controls.menu(f"{place}_field", axes)
            controls.text(f"{place}_values", lines=1, max_lines=3)

    def wire(self) -> None:
        super().wire()
        self.beginning.wire()
        self.helping.wire()
        self.laid.wire(self.stage, self.menu)
        sides = [self.controls.fields["width"], self.controls.fields["height"]]
        self.sizes.input(self.resize, self.sizes, sides, **QUIET)
        self.menu.change(self.offer_sizes, self.menu, self.sizes, **QUIET)
        self.after_button.click(self.stop_after, **QUIET)
        for told in (self.traits.mounted, self.menu.change):
            told(self.describe, self.menu, self.traits, **QUIET)

    def resize(self, chosen: str) -> tuple[Any, Any]:
        """Width and height of the shape that was chosen."""
        return read_size(chosen or "") or (gr.skip(), gr.skip())

    def offer_sizes(self, model: str | None) -> Any:
        """The same shapes at the sizes of another model."""
        return gr.Dropdown([(str(i18n("image.preset.own")), ""), *sizes(self.entry(model))], value="")

    def describe(self, model: str | None) -> dict[str, Any]:
        return self.traits_of(self.entry(model))

    def traits_of(self, entry: Entry | None) -> dict[str, Any]:
        """What the chosen model has of its own: drawing styles, one size, people to thank."""
        if entry is None:
            return {}
        size = " × ".join(str(entry.settings[name]) for name in ("width", "height") if name in entry.fixed)
        credited = [credit.model_dump() for credit in self.studio.catalog.credits(entry)]
        ready = self.studio.catalog.is_here(entry)
        methods = methods_of(self.studio.catalog.path(entry)) if ready else METHODS
        loras = not ready or takes_loras(self.studio.catalog.path(entry))
        traits = {"styles": bool(entry.styles), "size": size, "credits": credited, "methods": list(methods)}
        return {**traits, "loras": loras and not entry.styles}

    @property
    def extra(self) -> list[Component]:
        return [*self.beginning.targets, *self.laid.components, self.after_button]

    @property
    def inputs(self) -> list[Component]:
        return [*super().inputs, *self.beginning.components, *self.laid.components]

    def wanted(self, posted: tuple[Any, ...], owner: str) -> tuple[str, dict[str, Any]]:
        *controls, source, painted, files, weights = posted
        values = self.values(tuple(controls))
        values |= self.laid.values(owner, str(values.get("model") or ""), files, weights)
        return self.kind, self.beginning.values(values, source, painted, owner)

    def during(self, shown: Shown, first: bool) -> Updates:
        """A page that was reloaded gets back the picture it begins from; of several pictures one may be the last."""
        if not first or not isinstance(shown, PicturesView):
            return {}
        job = shown.job
        several = job.kind == self.kind and _one_by_one(job)
        return {**self.beginning.fill(job.owner, job.request), self.after_button: gr.Button(visible=several)}

    def stop_after(self, request: gr.Request) -> None:
        """Lets the picture that is under way become whole, and asks for no further one."""
        tell(self.studio, "finish", (self.kind,), request, ("running", "paused"))

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """Without what the model has no choice in: its own settings take that place."""
        values = super().values(posted)
        own = values.pop("weights", None)
        if isinstance(own, dict):
            values["weights"] = own.get("digest")
        entry = self.entry(values.get("model"))
        if entry is None:
            return values
        without = {*entry.fixed, *(() if entry.styles else ("style", "weights"))}
        return {name: value for name, value in values.items() if name not in without}

    def idle(self) -> dict[str, Any]:
        """Which models are here now: one may have been fetched since the page was built."""
        return {"state": "idle", "models": model_cards(self.studio, self.kind)}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        updates = super().fill(owner, {name: value for name, value in settings.items() if name != "weights"}, language)
        updates |= self.beginning.fill(owner, settings) | self.laid.fill(settings)
        if "weights" in settings:
            updates[self.controls.fields["weights"]] = self._own(owner, settings["weights"])
        if str(settings.get("prompt", "")).startswith(("image.example.", "sticker.example.")):
            updates[self.controls.fields["prompt"]] = t(settings["prompt"], language)
        return updates

    def _own(self, owner: str, digest: str | None) -> dict[str, str] | None:
        """What the chip shows of a network trained on the person's pictures. Raises where it is not theirs any more."""
        if not digest:
            return None
        self.studio.library.check_owned(owner, [digest])
        items = self.studio.library.items(owner, (OWN_KIND,), limit=MAX_OWN)
        found = next((item for item in items if item.digest == digest), None)
        name = digest[:12] if found is None else str(found.recipe.get("settings", {}).get("name", ""))
        return {"digest": digest, "name": name}


def build(studio: Any) -> ImageTab:
    """The tab, laid out where it is called."""
    return ImageTab(studio)
