"""Jobs that a page looks at as they are now, again and again, instead of being told of every change.

A training changes all the time and for hours; a page that asks now and then sees as much of it as one that is sent
everything, at a tenth of the cost. All pages that look at one job share what is known of it, and each question adds
only what has happened since the last. Knows jobs and their events; what a job looks like is for those who show it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from pipelines.errors import StudioError
from studio.engine.job import LIVE, Job, Numbered, Place
from studio.engine.jobs import JobService

KEPT = 100  # jobs, in the languages they are looked at in


class Looks(Protocol):
    """What a job looks like after the events it was given."""

    state: str
    place: Place | None

    def take(self, event: Numbered) -> None: ...

    def show(self) -> dict[str, Any]: ...


#: the looks of a job, in a language
Make: TypeAlias = Callable[[Job, Any], Looks]


class _Known:
    """What is known of a job, up to event number ``last``."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks
        self.last = 0
        self.lock = threading.Lock()


class Live:
    """``make``, by kind of job, is filled by those who show it. May be called from any thread."""

    def __init__(self, jobs: JobService) -> None:
        self.make: dict[str, Make] = {}
        self._jobs = jobs
        self._kept: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._guard = threading.Lock()

    def show(self, owner: str, job_id: str, language: str) -> dict[str, Any]:
        """The job of ``owner`` as the page draws it now; ``live`` while it is worth asking again.

        Raises ``StudioError`` where there is no such job, or none that is looked at.
        """
        with self.looking(owner, job_id, language) as looks:
            return {**looks.show(), "live": looks.state in LIVE}

    @contextmanager
    def looking(self, owner: str, job_id: str, language: str) -> Iterator[Looks]:
        """The same before it is drawn. Nobody else changes it inside the block."""
        job = self._jobs.get(owner, job_id)
        known = self._known(job, language)
        with known.lock:
            looks = known.looks
            for event in self._jobs.events(owner, job_id, known.last):
                looks.take(event)
                known.last = event.seq
            if looks.state == "queued":
                looks.place = self._jobs.place(owner, job_id)
            yield looks

    def _known(self, job: Job, language: str) -> _Known:
        if job.kind not in self.make:
            raise StudioError("live.kind", "Jobs of the kind {kind} are followed, not looked at.", kind=job.kind)
        with self._guard:
            key = (job.id, language)
            if key not in self._kept:
                self._kept[key] = _Known(self.make[job.kind](job, language))
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
