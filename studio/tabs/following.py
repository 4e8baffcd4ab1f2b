"""The one way a tab starts a job and shows it: submit, follow, a bounded number of views a second.

Handlers here never compute. They stop following when the page goes away; the job goes on, and ``attach`` finds it
again. Knows the job service and what a person sees when something is refused or breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import gradio as gr

from pipelines.errors import StudioError
from studio.engine.job import LIVE, Job, Place
from studio.locales import Language, language_of, sentence, t
from studio.owners import owner_of
from studio.tabs.views import Looked, Refusal, View

if TYPE_CHECKING:
    from studio.services import Studio

log = logging.getLogger(__name__)

Shown: TypeAlias = View | Refusal | Looked
MakeView: TypeAlias = Callable[[Job, Language], View]


async def follow(studio: Studio, view: View, per_second: float) -> AsyncIterator[View]:
    """``view`` whenever it has something new, at most ``per_second`` times a second, and once more at the end."""
    changed = asyncio.Event()
    pump = asyncio.create_task(_pump(studio, view, changed))
    try:
        yield view
        while not pump.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), 1.0)
            changed.clear()
            if view.state == "queued":  # says each second where it stands, which also notices a closed page
                view.place = _place(studio, view)
            yield view
            await asyncio.wait({pump}, timeout=1 / per_second)
        pump.result()
        yield view
    finally:
        pump.cancel()


async def _pump(studio: Studio, view: View, changed: asyncio.Event) -> None:
    async for batch in studio.jobs.follow(view.job.owner, view.job.id, after=0):
        for event in batch:
            view.take(event)
        changed.set()
    changed.set()


def _place(studio: Studio, view: View) -> Place | None:
    try:
        return studio.jobs.place(view.job.owner, view.job.id)
    except StudioError:  # it has just left the queue
        return None


async def submit(
    studio: Studio,
    wanted: Callable[[], tuple[str, Mapping[str, Any]]],
    request: gr.Request,
    make: MakeView,
    per_second: float,
) -> AsyncIterator[Shown]:
    """Submits the ``wanted`` kind of job with its request, for the person behind ``request``, and follows it."""

    def begin() -> Job:
        kind, values = wanted()
        return studio.submit(owner_of(request), kind, dict(values))

    async for shown in begun(studio, begin, language_of(request), make, per_second):
        yield shown


async def attach(
    studio: Studio,
    kinds: Sequence[str],
    request: gr.Request,
    make: MakeView,
    per_second: float,
    interrupted: bool = False,
) -> AsyncIterator[Shown]:
    """Follows the newest job that the person behind ``request`` has running of ``kinds``, if any.

    ``interrupted``: or shows their newest job, where a restart cut it short and it can be resumed.
    """

    def begin() -> Job | None:
        owner = owner_of(request)
        running = studio.jobs.list(owner, kinds, LIVE, 1)
        if running or not interrupted:
            return running[0] if running else None
        newest = studio.jobs.list(owner, kinds, limit=1)
        return newest[0] if newest and newest[0].state == "interrupted" else None

    async for shown in begun(studio, begin, language_of(request), make, per_second):
        yield shown


async def begun(
    studio: Studio, begin: Callable[[], Job | None], language: Language, make: MakeView, per_second: float
) -> AsyncIterator[Shown]:
    """Follows the job that ``begin`` gives, if any. A refusal that it raises comes in its place."""
    try:
        job = begin()
        if job is None:
            return
        if job.kind in studio.live.make:  # the page looks at it by itself
            yield Looked(await asyncio.to_thread(studio.live.show, job.owner, job.id, language))
            return
        async for view in follow(studio, make(job, language), per_second):
            yield view
    except StudioError as error:
        yield Refusal(refuse(error, language))
    except Exception as error:  # noqa: BLE001 - the last line of defence before the page
        yield Refusal(report(error, language))


def tell(
    studio: Studio,
    what: str,
    kinds: Sequence[str],
    request: gr.Request,
    states: Sequence[str] = ("queued", "running", "paused"),
) -> str:
    """Cancels, finishes, pauses or resumes the person's newest job of ``kinds`` that is in one of ``states``.

    And with it the one that it was begun beside, and all of its sweep. Returns the state it was in, empty where there
    is none: two clicks on Stop are no mistake.
    """
    owner, language = owner_of(request), language_of(request)
    try:
        found = studio.jobs.list(owner, kinds, tuple(states), 1)
        if not found:
            return ""
        for job in [job for job in studio.jobs.list(owner, kinds, tuple(states)) if _together(found[0], job)]:
            getattr(studio.jobs, what)(owner, job.id)
        return found[0].state
    except StudioError as error:
        refuse(error, language)
    except Exception as error:  # noqa: BLE001 - the last line of defence before the page
        report(error, language)
    return ""


def _together(shown: Job, job: Job) -> bool:
    """Whether a button beneath the one that is shown means the other too."""
    sweep = shown.request.get("sweep")
    return job.id in (shown.id, shown.request.get("beside")) or bool(sweep and job.request.get("sweep") == sweep)


def refuse(error: StudioError, language: Language) -> str:
    """Says the sentence in a toast and returns it. Toasts are HTML, and the sentence quotes what was typed."""
    text = sentence(error, language)
    gr.Warning(html.escape(text), duration=6, title=t("toast.refused", language))
    return text


def report(error: Exception, language: Language) -> str:
    """Logs a bug under an id, and says the id."""
    number = uuid.uuid4().hex[:8]
    log.error("something unexpected in a tab, id %s", number, exc_info=error)
    text = t("error.ours", language, id=number)
    gr.Warning(text, title=t("toast.ours", language))
    return text
