"""The Training tab: a generator learns in front of you, then draws for you."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component

from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training.datasets import DATASETS, DataSetInfo, size_of
from studio.engine.history import REWOUND
from studio.engine.job import ENDED, LIVE, Job
from studio.live import Looks
from studio.locales import Language, i18n, language_of
from studio.owners import owner_of
from studio.sweeps import begin
from studio.tabs import own
from studio.tabs.diagnosis import said
from studio.tabs.explore import ExploreTab
from studio.tabs.film import cards
from studio.tabs.following import refuse, report, tell
from studio.tabs.gallery import served
from studio.tabs.generators import LEARNING
from studio.tabs.image import picture
from studio.tabs.parts import QUIET, Updates, area, bench, ending, film, more, stage
from studio.tabs.recipes import RecipeForm
from studio.tabs.rivals import Rivals
from studio.tabs.sample import SampleTab
from studio.tabs.steering import panel, steering_of
from studio.tabs.sweeping import Sweeping
from studio.tabs.tab import Tab
from studio.tabs.views import View
from studio.widgets import widget

MAX_SAMPLES = 60


class TrainingView(View):
    """Steps and sample grids so far. The page fetches the curves itself: ``curves`` only says that there is news."""

    def __init__(self, job: Job, language: Language) -> None:
        super().__init__(job, language)
        self.news = 0
        self.samples: list[dict[str, Any]] = []
        self.findings: list[Mapping[str, Any]] = []
        self.step, self.seconds, self.rate = 0, 0.0, 0.0
        self.left: float | None = None
        self.steering: Mapping[str, Any] = {}

    def on_metrics(self, data: Mapping[str, Any], at: float) -> None:
        del at
        steps = data["steps"]
        if steps and steps[0] <= self.step:
            self._go_back(steps[0])
        if steps:
            self.step, self.seconds = steps[-1], data["seconds"][-1]
        self.rate, self.left = data["rate"], data.get("left")
        self.news += 1

    def _go_back(self, step: int) -> None:
        """A resume or a rollback: what came later never happened."""
        self.samples = [sample for sample in self.samples if sample["step"] < step]

    def on_mark(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.news += 1
        if data.get("key") == REWOUND:
            self._go_back(data["step"] + 1)
            self.step, self.seconds = data["step"], data["seconds"]

    def on_steered(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.steering = data["values"]

    def on_diagnosis(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.findings = data["findings"]

    def on_sample(self, data: Mapping[str, Any], at: float) -> None:
        self._go_back(data["step"])  # drawn anew after a change
        captions = {"captions": data["captions"]} if data.get("captions") else {}
        drawn = picture(self.job, data["picture"])
        drawn["url"] += f"?at={at:.3f}"  # the file of a step is written anew where the training went back over it
        self.samples.append({"step": data["step"], "seconds": round(self.seconds, 3), **drawn, **captions})
        if len(self.samples) > MAX_SAMPLES:
            self.samples = [*self.samples[:-1:2], self.samples[-1]]

    def _left(self, done: float, total: float | None) -> float | None:
        """The training knows better than the clock: pauses and waits do not count."""
        del done, total
        return self.left

    def show(self) -> dict[str, Any]:
        request = self.job.request
        return {
            **super().show(),
            "dataset": request.get("dataset", ""),
            "beside": request.get("beside", ""),
            "sweep": request.get("sweep", ""),
            "caption": self._caption(),
            "step": self.step,
            "steps": request.get("steps", 0),
            "seconds": round(self.seconds, 1),
            "budget": request.get("seconds", 0),
            "rate": round(self.rate, 2),
            "left": None if self.left is None else round(self.left, 1),
            "samples": self.samples,
            "findings": [said(finding, self.language) for finding in self.findings],
            "curves": self.news,
            "steer": steering_of(self.job, self.steering),
            # what the page asks for besides: whether this training can be explored, and what came of it
            "more": 2 if self.state in ENDED else int(bool(self.samples)),
        }

    def _caption(self) -> str:
        """The string that says what the samples are."""
        if self.job.kind == own.KIND:
            return "own.samples"
        if size_of(str(self.job.request.get("dataset"))) == 1:
            return "training.samples.plane.vae" if self.job.request.get("recipe") == "vae" else "training.samples.plane"
        return "training.samples.vae" if self.job.request.get("recipe") == "vae" else "training.samples"


class TrainingTab(Tab):
    """Controls of a ``TrainingRequest``, transport buttons, and beneath them the generators trained so far.

    One of the data sets is the person's own pictures: then controls and job are those of ``OwnPictures``.
    """

    kind = "training"
    also = (own.KIND,)
    request = TrainingRequest
    view = TrainingView
    stopping = "finish"
    resumable = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = tuple({"dataset": name} for name in DATASETS)

    def build(self) -> None:
        controls = self.controls
        self.form = RecipeForm(controls)
        self.own = own.OwnPictures(self.studio)
        self.rivals = Rivals()
        self.sweeping = Sweeping(self.studio)
        with bench(self.kind):
            with area("ask", self.kind):
                sets = [_dataset_card(info) for info in DATASETS.values()]
                default = controls.default("dataset")
                cards: dict[str, Any] = {"choices": [*sets, own.CARD], "layout": "cards", "label": "field.dataset"}
                chosen = widget("choices", "training-dataset", default, events=("select",), tells=True, **cards)
                controls.keep("dataset", chosen)
                self.own.ask()
                self._transport()
            with area("stage", self.kind):
                self.stage = stage(self.kind, examples=sets)
            with area("more", self.kind):
                panel()
                with gr.Column(elem_id="training-set-settings", min_width=0):
                    self.own.lay_squares(controls)
                    self._settings()
                with gr.Column(elem_id="training-own-settings", min_width=0):
                    self.own.settings()
            with area("film", self.kind):
                self.sample = SampleTab(self.studio)
                self.explore = ExploreTab(self.studio)
                self.film = film(self.kind)

    def _transport(self) -> None:
        with gr.Row(elem_classes="actions transport"):
            self.make_button = gr.Button(
                i18n("training.make"), variant="primary", elem_id="training-start", elem_classes="make icon icon-play"
            )
            self.pause_button = _button("pause")
            self.resume_button = _button("resume", "primary")
            self.stop_button = _button("stop", "stop")
            self.reset_button = _button("reset")

    def _settings(self) -> None:
        controls = self.controls
        with gr.Group(elem_classes="common"):
            self.form.lay_menu()
            with gr.Row(elem_classes="pair"):
                controls.number("seconds")
                controls.number("steps")
            controls.checkbox("fit")
            self.rivals.lay()
        with more(self.kind):
            self.form.lay_numbers()
            controls.seed()
            self.ending = ending(self.kind)
        self.sweeping.lay(controls.default("recipe"))

    @property
    def endings(self) -> dict[str, gr.Checkbox]:
        return {**super().endings, own.KIND: self.own.ending}

    def wire(self) -> None:
        super().wire()
        self.studio.live.make |= dict.fromkeys(self.kinds, self.make_view)
        self.form.wire()
        self.sweeping.wire(self.make_button, self.controls.fields)
        self.pause_button.click(self.pause, **QUIET)
        self.streams(self.resume_button.click, self.resume)
        self.reset_button.click(self.reset, outputs=[self.stage], **QUIET)
        given = [self.own.pictures, self.own.shown, self.own.file, self.stage, self.own.learner]
        fields = self.controls.fields
        way = [self.own.learner, fields["edge"], fields["crop"]]
        self.own.file.upload(self.take, [self.own.file, *way], given, **QUIET)
        for one in way:
            one.input(self.look_again, [self.own.pictures, *way], given, **QUIET)  # type: ignore[attr-defined]

    @property
    def inputs(self) -> list[Component]:
        return [*super().inputs, self.rivals.menu, *self.sweeping.inputs, *self.own.inputs]

    def wanted(self, posted: tuple[Any, ...], owner: str) -> tuple[str, dict[str, Any]]:
        """A training on the data set that is chosen, or one on the person's own pictures."""
        del owner
        asked, _, _, mine = self._parted(posted)
        if asked.get("dataset") == own.OWN and mine[-1] != own.SET:
            return own.KIND, self.own.values(mine)
        return self.kind, self.own.named(asked, mine)

    def _parted(self, posted: tuple[Any, ...]) -> tuple[dict[str, Any], str, tuple[Any, ...], tuple[Any, ...]]:
        """What was posted: the settings, the rival, the sweep, what is said of own pictures."""
        count = len(self.controls.fields)
        rest = posted[count:]
        return self.values(posted[:count]), rest[0] or "", rest[1:4], rest[4:]

    def begin(self, posted: tuple[Any, ...], owner: str, ending: Collection[str]) -> Job:
        """One, or a rival's beside it, or several at once, of which the last is shown: all of them begin, or none."""
        kind, values = self.wanted(posted, owner)
        _, rival, several, _ = self._parted(posted)
        if kind == own.KIND or not (rival or self.sweeping.asked(several)):
            return self.studio.submit(owner, kind, values, kind in ending)
        if not self.sweeping.asked(several):
            return self.studio.submit_all(owner, kind, self.rivals.beside(values, rival), kind in ending)[-1]
        if rival:
            raise StudioError(
                "sweep.rival",
                "Several runs at once and another recipe side by side are two things: choose one of them.",
            )
        return begin(self.studio, owner, self.sweeping.runs(values, several), kind in ending)[-1]

    async def take(self, path: str, learner: str, edge: int, crop: Any, request: gr.Request) -> Any:
        """Takes a zip in and shows what the model will see of it, unless a training is to be seen there."""
        return await self._see(self.own.take, path, (learner, edge, crop), request)

    async def look_again(self, given: Any, learner: str, edge: int, crop: Any, request: gr.Request) -> Any:
        """Shows the zip that was taken in as another learner, or at another size, will see it."""
        if not isinstance(given, dict):
            return (gr.skip(),) * 5
        return await self._see(self.own.look_again, given, (learner, edge, crop), request)

    async def _see(self, see: Callable[..., own.Taken], what: Any, way: own.Way, request: gr.Request) -> Any:
        owner, language = owner_of(request), language_of(request)
        try:
            given, shown, preview, learner = await asyncio.to_thread(see, owner, what, language, way)
        except StudioError as error:
            return gr.skip(), {"error": refuse(error, language)}, None, gr.skip(), gr.skip()
        except Exception as error:  # noqa: BLE001 - the last line of defence before the page
            return gr.skip(), {"error": report(error, language)}, None, gr.skip(), gr.skip()
        live = self.studio.jobs.list(owner, self.kinds, LIVE, 1)
        return given, shown, None, gr.skip() if live else {"state": "idle", "own": preview}, learner

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """Without what the recipe has no use for."""
        return self.form.asked(super().values(posted))

    def greeting(self, owner: str, language: Language) -> Updates:
        """The generators there are, too; a page that was reloaded while it learns from own pictures says so again."""
        greeting = super().greeting(owner, language)
        benches = {**self.sample.choices(owner, language), **self.explore.choices(owner, language)}
        live = next(iter(self.studio.jobs.list(owner, self.kinds, LIVE, 1)), None)
        if live is None or not live.request.get("pictures"):
            return {**greeting, **benches}
        return {**greeting, **benches, self.controls.fields["dataset"]: own.OWN, **self.own.given(live.request)}

    def pause(self, request: gr.Request) -> None:
        tell(self.studio, "pause", self.kinds, request)

    async def resume(self, request: gr.Request) -> Any:
        """Goes on with a paused training, or with the newest one if that was interrupted, and shows it."""
        yield gr.skip()
        if tell(self.studio, "resume", self.kinds, request, ("paused", "interrupted")) == "interrupted":
            async for shown in self.attach(request):
                yield shown

    def reset(self) -> dict[str, Any]:
        return {"state": "idle"}

    @property
    def extra(self) -> list[Component]:
        benches = [part for bench in (self.sample, self.explore) for part in (bench.panel, *bench.told)]
        return [*benches, *self.own.components]

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        if not settings.get("pictures"):
            return super().fill(owner, settings, language)
        updates = super().fill(owner, settings, language) if "recipe" in settings else {}
        return {**updates, self.controls.fields["dataset"]: own.OWN, **self.own.fill(owner, settings)}

    def given(self, request: gr.Request) -> Updates:
        """What came of the newest training so far: once it has samples it can be looked into, and then drawn from."""
        owner, language = owner_of(request), language_of(request)
        updates = {self.film: cards(self.studio, owner, self.kinds)}
        newest = next(iter(self.studio.jobs.list(owner, self.kinds, limit=1)), None)
        if newest is None or newest.kind != self.kind:
            return updates
        with self.studio.live.looking(owner, newest.id, language) as shown:
            return {**updates, **self._benches(shown, owner, language)}

    def _benches(self, shown: Looks, owner: str, language: Language) -> Updates:
        if not isinstance(shown, TrainingView):
            return {}
        if shown.state not in ENDED:
            return self.explore.choices(owner, language, LEARNING) if shown.samples else {}
        made = next((item for item in shown.items if str(item["name"]).endswith(".safetensors")), None)
        digest = made["digest"] if made else None
        return {**self.sample.choices(owner, language, digest), **self.explore.choices(owner, language, digest)}


def _button(name: str, variant: Any = "secondary") -> gr.Button:
    return gr.Button(
        i18n(f"training.{name}"), variant=variant, elem_id=f"training-{name}", elem_classes=f"{name} icon icon-{name}"
    )


def _dataset_card(info: DataSetInfo) -> dict[str, Any]:
    return {
        "id": info.name,
        "title": {"en": info.title, "zh": info.title_zh},
        "about": {"en": info.about, "zh": info.about_zh},
        "url": served(info.preview),
    }


def build(studio: Any) -> TrainingTab:
    """The tab, laid out where it is called."""
    return TrainingTab(studio)
