"""What every tab that makes something does: submit, show, stop, re-attach, take a recipe back.

A tab says what is asked (its controls), what is shown of it (its view) and what is special after it; the rest is here.

What streams sets the stage and nothing else: for every further output of a listener gradio builds a component anew with
each answer, and a tab has sixty. Whatever else is to change waits until the page asks for it, once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from pipelines.base import Request
from pipelines.errors import StudioError
from studio.engine.job import LIVE, Job
from studio.locales import Language, language_of
from studio.owners import owner_of
from studio.tabs.film import cards
from studio.tabs.following import Shown, attach, begun, tell
from studio.tabs.parts import QUIET, Controls, Updates, settled
from studio.tabs.views import View

if TYPE_CHECKING:
    from studio.services import Studio

WAITING = 500  # pages whose updates are kept for them; one that went away in between never asks


class Tab(ABC):
    """One tab. ``build`` lays it out inside the page's Blocks and sets the five components below."""

    kind: ClassVar[str]
    #: further kinds of job that are begun and shown in the same place
    also: ClassVar[tuple[str, ...]] = ()
    request: ClassVar[type[Request]]
    view: ClassVar[type[View]] = View
    per_second: ClassVar[float] = 5
    #: what Stop asks of the job: cancel, or finish where what is there already is worth keeping
    stopping: ClassVar[str] = "cancel"
    #: a job that was interrupted is shown again, as it can go on
    resumable: ClassVar[bool] = False
    #: settings for ``fill``, tried by a click
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    make_button: gr.Button
    stop_button: gr.Button
    stage: gr.HTML
    film: gr.HTML
    #: ticked where what is made shall end when the page is closed; a tab without it lets it go on
    ending: gr.Checkbox | None = None
    #: for ``then``: what is to happen when a job was shown to its end
    ends: tuple[Dependency, ...]

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._streams: dict[str, object] = {}  # which of a page's streams is the one to show
        self._waiting: dict[str, Updates] = {}  # what a page is given when it asks
        self.controls = Controls(self.kind, self.request)
        self.build()
        self.wire()

    @abstractmethod
    def build(self) -> None:
        """Lays out the tab."""

    # ------------------------------------------------------------------------ what a tab may change

    @property
    def extra(self) -> list[Component]:
        """Components beyond the controls that ``fill``, ``during`` and ``after`` set."""
        return []

    @property
    def inputs(self) -> list[Component]:
        """What Make posts, the controls first."""
        return list(self.controls.fields.values())

    def values(self, posted: tuple[Any, ...]) -> dict[str, Any]:
        """The request as posted. Nothing is checked here: the request class does that."""
        return self.controls.values(posted)

    def wanted(self, posted: tuple[Any, ...], owner: str) -> tuple[str, dict[str, Any]]:
        """The kind of job that ``owner`` asked for, and its request as posted. May raise ``StudioError``."""
        del owner
        return self.kind, self.values(posted)

    def begin(self, posted: tuple[Any, ...], owner: str, ending: Collection[str]) -> Job:
        """The job to show of what ``owner`` asked for, submitted. Those of the kinds ``ending`` end with their page.
        May raise ``StudioError``."""
        kind, values = self.wanted(posted, owner)
        return self.studio.submit(owner, kind, values, kind in ending)

    def during(self, shown: Shown, first: bool) -> Updates:
        """What is to change besides the stage now that this is shown: asked with each view, mostly nothing."""
        del shown, first
        return {}

    def after(self, shown: Shown) -> Updates:
        """More to update at the end."""
        del shown
        return {}

    def fill(self, owner: str, settings: Mapping[str, Any], language: Language) -> Updates:
        """What puts a recipe's settings into the controls."""
        del owner, language
        return self.controls.fill(settings)

    # ----------------------------------------------------------------------------- what all tabs do

    @property
    def targets(self) -> list[Component]:
        """Everything ``fill`` may set."""
        return [*self.controls.fields.values(), *self.extra]

    @property
    def endings(self) -> dict[str, gr.Checkbox]:
        """By the kind of job: ticked where it shall end when the page is closed."""
        return {} if self.ending is None else {self.kind: self.ending}

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of job of this tab."""
        return (self.kind, *self.also)

    @property
    def outputs(self) -> list[Component]:
        """What may change besides the stage."""
        return [self.film, *self.targets]

    def wire(self) -> None:
        """Make, Stop, and what happens when the tab is first opened: gradio keeps no update for a tab before that."""
        self.stage.mounted(self.greet, outputs=self.outputs, **QUIET)
        attached = self.streams(self.stage.mounted, self.attach)
        self.streams(self.stage.follow, self.attach, trigger_mode="multiple")
        self.stage.told(self.given, outputs=self.outputs, trigger_mode="multiple", **QUIET)
        asked = [*self.inputs, *self.endings.values()]
        made = self.streams(self.make_button.click, self.make, asked)
        self.ends = (attached, made.then(None, js=settled(self.kind)))
        self.stop_button.click(self.stop, **QUIET)

    def streams(
        self, listen: Callable[..., Dependency], handler: Callable[..., Any], inputs: Any = None, **more: Any
    ) -> Dependency:
        """Listens with a ``handler`` that yields what the stage shows; then sets what else has changed by its end."""
        ended: Dependency = listen(handler, inputs, self.stage, **{**QUIET, **more}).then(
            self.given, outputs=self.outputs, **QUIET
        )
        return ended

    async def make(self, request: gr.Request, *posted: Any) -> AsyncIterator[dict[str, Any]]:
        """Submits what was posted and shows it to the end."""
        count = len(self.endings)
        asked, ticked = posted[: len(posted) - count], posted[len(posted) - count :]
        ending = [kind for kind, ends in zip(self.endings, ticked, strict=True) if ends]
        views = begun(
            self.studio,
            lambda: self.begin(asked, owner_of(request), ending),
            language_of(request),
            self.make_view,
            self.per_second,
        )
        async for shown in self.showing(views, request):
            yield shown

    def greeting(self, owner: str, language: Language) -> Updates:
        """What a tab shows when it is opened, whether or not anything runs in it: earlier results."""
        del language
        return {self.film: cards(self.studio, owner, self.kinds)}

    def greet(self, request: gr.Request) -> Updates:
        """The same, for the person behind ``request``."""
        return self.greeting(owner_of(request), language_of(request))

    async def attach(self, request: gr.Request) -> AsyncIterator[Any]:
        """Shows whatever this person has running here."""
        views = attach(self.studio, self.kinds, request, self.make_view, self.per_second, self.resumable)
        alone = True
        async for shown in self.showing(views, request):
            alone = False
            yield shown
        if alone:
            yield self.idle()

    def idle(self) -> Any:
        """What the stage shows while nothing runs, where that may have changed since the page was built."""
        return gr.skip()

    def given(self, request: gr.Request) -> Updates:
        """What has been waiting for this page."""
        return self._waiting.pop(str(request.session_hash), {}) or {self.film: gr.skip()}

    def past(self, owner: str, job_id: str, language: Language) -> Updates:
        """The stage as it was when a job of ``owner`` that is over ended. Raises ``StudioError`` while another runs."""
        if self.studio.jobs.list(owner, self.kinds, LIVE, 1):
            raise StudioError(
                "run.live", "Something of yours still runs in that tab, and is shown there. Stop it first, or compare."
            )
        view = self.make_view(self.studio.jobs.get(owner, job_id), language)
        for event in self.studio.jobs.events(owner, job_id):
            view.take(event)
        return {self.stage: view.show()}

    def make_view(self, job: Job, language: Language) -> View:
        """The view of a job, which calls the model as the menu does."""
        view = self.view(job, language)
        entry = self.studio.catalog.named(view.model) or self.studio.catalog.default(self.kind)
        if entry is not None and view.model in ("", entry.name):
            view.model = entry.title_zh if language == "zh" and entry.title_zh else entry.title
        return view

    def stop(self, request: gr.Request) -> None:
        tell(self.studio, self.stopping, self.kinds, request)

    async def showing(self, views: AsyncIterator[Shown], request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        """``views`` as the stage draws them, until this page is given something else to show.

        ``more`` counts what waits for the page besides: where it has grown, the page asks for it.
        """
        shown: Shown | None = None
        more, here = 0, str(request.session_hash)
        mine = self._streams[here] = object()
        try:
            async for view in views:
                if self._streams.get(here) is not mine:
                    return
                more += self._wait(here, self.during(view, shown is None))
                yield {**view.show(), "more": more}
                shown = view
        finally:
            if self._streams.get(here) is mine:
                del self._streams[here]
        if shown is not None and here not in self._streams:
            self._wait(here, {self.film: cards(self.studio, owner_of(request), self.kinds), **self.after(shown)})

    def _wait(self, here: str, updates: Updates) -> bool:
        """Keeps ``updates`` until the page asks for them. False where there are none."""
        if updates:
            self._waiting[here] = {**self._waiting.pop(here, {}), **updates}
            while len(self._waiting) > WAITING:
                del self._waiting[next(iter(self._waiting))]
        return bool(updates)
