"""The job service: what the page and the API talk to. Submits, follows, cancels, finishes, pauses, resumes.

Knows who may see which job and what a request must be before it is written down. Does not compute and imports no
torch. A job outlives the page: whoever asked may go, come back, and follow on from the last event they saw.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from pipelines.base import Request
from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.fields import MAX_SEED
from pipelines.registry import Registration, registration
from pipelines.training.snapshots import Snapshot
from studio.engine.admission import Admission
from studio.engine.afar import Afar
from studio.engine.branches import branch_of, snapshot_of, snapshots_of
from studio.engine.caps import Caps
from studio.engine.dispatch import Dispatch
from studio.engine.events import EventLog
from studio.engine.floor import Floor
from studio.engine.following import Batch, followed
from studio.engine.hosts import Hosts
from studio.engine.job import LIVE, Job, NotFound, Place
from studio.engine.presence import Presence, SharedPresence
from studio.engine.recovery import STOPPED
from studio.engine.rows import JobRows
from studio.engine.status import EngineStatus
from studio.engine.term import Term
from studio.library.library import Library
from studio.moderation.moderation import Moderation
from studio.settings import Settings
from studio.store.choices import Choices
from studio.store.database import Database
from studio.store.workspaces import Workspaces

#: an administrator's choices, by these names: whether the studio begins nothing more, and which devices do not
DRAIN = "drain"
DRAINED = "drained"


class JobService:
    """One a web process. ``owner`` comes first everywhere; somebody else's job is simply not there.

    ``changed`` is told what another process says it has changed; an empty word for anything.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        library: Library,
        catalog: Catalog,
        hosts: Hosts,
        caps: Caps,
        moderation: Moderation,
        workspaces: Workspaces,
        changed: Callable[[str], None] = lambda _what: None,
    ) -> None:
        self._admission = Admission(settings, caps)
        self._workspaces = workspaces
        self._caps = caps
        self._moderation = moderation
        self._library = library
        self._catalog = catalog
        term = Term(database)
        self._log = EventLog(database, term)
        self._rows = rows = JobRows(database, self._log, term)
        self._choices = Choices(database)
        self._presence = SharedPresence(rows.stay) if database.shared else Presence(self._page_closed)

        def dispatch() -> Dispatch:
            made = Dispatch(settings, rows, self._log, hosts, caps, moderation, workspaces)
            made.drain(self._is_drained())
            made.drained |= self._drained()
            return made

        self._floor = Floor(database, rows, self._log, term, dispatch, self._end_left, changed)

    @property
    def _dispatch(self) -> Dispatch | Afar:
        """The engine, or, where another process leads, what there is of it here."""
        return self._floor.dispatch

    @property
    def leads(self) -> bool:
        """Whether this process gives jobs to devices and clears away what is old; one that is alone does."""
        return self._floor.leads

    def start(self) -> None:
        """Takes up what the last run left and starts the engine; where another process leads, only looks on."""
        for job_id in self._rows.ending():
            self._presence.watch(job_id)
        self._floor.start()

    def close(self) -> None:
        self._presence.close()
        self._floor.close()

    # ---------------------------------------------------------------------------- asking for things

    def submit(self, owner: str, kind: str, values: Mapping[str, Any], ends_with_page: bool = False) -> Job:
        """Checks a request and writes it down as a queued job; once this returns, the job is kept.

        ``ends_with_page``: it ends once nobody follows it any more, a training with what it has learned.
        Raises ``StudioError`` (a rule and a value) or ``Busy`` (too much is waiting).
        """
        return self.submit_all(owner, kind, {uuid.uuid4().hex: values}, ends_with_page)[0]

    def submit_all(
        self, owner: str, kind: str, requests: Mapping[str, Mapping[str, Any]], ends_with_page: bool = False
    ) -> list[Job]:
        """``submit`` of several, by the names that the jobs are to have: all of them are written down, or none is."""
        jobs = [self._asked(owner, kind, name, values, ends_with_page) for name, values in requests.items()]
        self._check_room(owner)
        self._rows.create_all(jobs, partial(self._admission.check_waiting, owner, asked=len(jobs)))
        for job in jobs:
            self._dispatch.add(job)
            if ends_with_page:
                self._presence.watch(job.id)
        return jobs

    def _asked(self, owner: str, kind: str, name: str, values: Mapping[str, Any], ends_with_page: bool) -> Job:
        """What ``owner`` asks for as a job, checked and not yet written down."""
        known = registration(kind)
        request = self._complete(known, known.request.parse(values))
        self._library.check_owned(owner, request.files())
        plain = request.model_dump(mode="json")
        self._moderation.check(owner, kind, plain)
        seed = int(plain.get("seed", 0))
        return Job(name, owner, kind, plain, request.model, seed, "queued", time.time(), ends_with_page=ends_with_page)

    def _complete(self, known: Registration, request: Request) -> Request:
        """Fills in what "the default" and "a fresh one" mean now, so that the recipe can be followed later.

        Settings nobody asked for are those the model gives its best with.
        """
        update: dict[str, Any] = {}
        if known.task:
            entry = self._catalog.resolve(request.model, known.task)
            own = entry.settings if known.kind == known.task else {}  # those of making something, not of training
            request = known.request.parse({**own, **request.model_dump(exclude_unset=True)})
            update["model"] = entry.name
        if getattr(request, "seed", 0) == -1:
            update["seed"] = secrets.randbelow(MAX_SEED + 1)
        return request.model_copy(update=update)

    def _check_room(self, owner: str) -> None:
        """Raises ``Busy`` or ``StudioError`` where one more job is more than there may be."""
        self._admission.check_room(owner, self._is_drained(), self._library.stored(owner), self._dispatch.usage)

    def check_several(self, owner: str, asked: int) -> None:
        """Raises ``Busy`` where ``submit_all`` would refuse so many at once as things are now."""
        self._admission.check_waiting(owner, *self._rows.waiting(owner), asked=asked)

    def cancel(self, owner: str, job_id: str) -> Job:
        """Ends this job and no other at its next step. A job that has ended stays as it is."""
        job = self._rows.owned(owner, job_id)
        self._dispatch.tell(job, "cancel")
        return self.get(owner, job_id)

    def finish(self, owner: str, job_id: str) -> Job:
        """Ends this job early and keeps what is there: the text so far, the generator as it is."""
        job = self._rows.owned(owner, job_id)
        self._dispatch.tell(job, "finish")
        return self.get(owner, job_id)

    def pause(self, owner: str, job_id: str) -> Job:
        """Halts a running job at its next step; the device is free for others."""
        job = self._rows.owned(owner, job_id)
        if job.state not in ("running", "paused") or not self._dispatch.tell(job, "pause"):
            raise StudioError("job.pause", "Only a running job can be paused; this one is {state}.", state=job.state)
        return self.get(owner, job_id)

    def resume(self, owner: str, job_id: str) -> Job:
        """Lets a paused job go on. An interrupted one is queued again: training goes on from its last checkpoint,
        anything else starts over with the same seed."""
        job = self._rows.owned(owner, job_id)
        if job.state == "interrupted":
            self._check_room(owner)
            if self._rows.queue_again(job_id, partial(self._admission.check_waiting, owner)):
                self._dispatch.add(replace(job, state="queued", attempt=job.attempt + 1))
            if job.ends_with_page:
                self._presence.watch(job_id)
        elif job.state not in ("running", "paused") or not self._dispatch.tell(job, "resume"):
            raise StudioError(
                "job.resume", "Only a paused or interrupted job can be resumed; this one is {state}.", state=job.state
            )
        return self.get(owner, job_id)

    def steer(self, owner: str, job_id: str, changes: Mapping[str, Any]) -> Job:
        """Changes settings of a running or paused training, which hears them at its next step.

        ``changes`` are fields of its request with new values, or what it is to do once (see ``Request.steering``).
        Raises ``StudioError`` with the rule and the value where it cannot take them.
        """
        job = self._rows.owned(owner, job_id)
        checked = registration(job.kind).request.parse(job.request).steering(changes)
        if "rewind" in checked:
            snapshot_of(self._workspaces, job, int(checked["rewind"]))
        if job.state not in ("running", "paused") or not self._dispatch.steer(job, checked):
            raise StudioError(
                "job.steer", "Only a running or paused training can be steered; this one is {state}.", state=job.state
            )
        return self.get(owner, job_id)

    def snapshots(self, owner: str, job_id: str) -> list[Snapshot]:
        """The states of a training that it can go back to and that others can begin with, oldest first."""
        return snapshots_of(self._workspaces, self._rows.owned(owner, job_id))

    def branch(self, owner: str, job_id: str, step: int, changes: Mapping[str, Any]) -> Job:
        """A new training that goes on from a snapshot of one of ``owner``'s, running or ended, with other settings.

        The snapshot is copied, as its own training may let it go. Raises ``StudioError`` for what cannot change.
        """
        job = self._rows.owned(owner, job_id)
        data = self._workspaces.read(job_id, str(snapshot_of(self._workspaces, job, step).path))
        values = branch_of(job, data, changes)
        self._caps.check_upload(owner, self._library.stored(owner), len(data))
        return self.submit(owner, job.kind, {**values, "begin": self._library.keep_upload(owner, data)})

    def end_with_page(self, owner: str, job_id: str, ends: bool) -> Job:
        """Whether this job ends once nobody follows it, or goes on whoever leaves."""
        job = self._rows.owned(owner, job_id)
        self._rows.end_with_page(job_id, ends)
        if not ends:
            self._presence.forget(job_id)
        elif job.live:
            self._presence.watch(job_id)
        return self.get(owner, job_id)

    def _page_closed(self, job_id: str) -> None:
        """Ends a job that nobody follows any more; what a training has learned so far is kept."""
        job = self._rows.get(job_id)
        if job is not None and job.live:
            self._dispatch.tell(job, "cancel" if registration(job.kind).interactive else "finish")

    def _end_left(self) -> None:
        """The same of all processes' pages, by what they have written down."""
        for job_id in self._rows.left(time.time()):
            self._page_closed(job_id)

    # ---------------------------------------------------------------------- for administrators only

    def stop(self, job_id: str) -> None:
        """Interrupts anybody's job, and says so to its owner."""
        job = self._rows.get(job_id)
        if job is None or not self._dispatch.stop(job, STOPPED):
            raise NotFound(job_id)

    def unload(self, model: str) -> None:
        """Takes a model out of memory, unless somebody uses it."""
        self._dispatch.unload(model)

    def drain(self, on: bool) -> None:
        """Takes no new jobs and begins none, for maintenance, also after a restart; or takes them again."""
        self._choices.set(DRAIN, {"on": on})
        self._dispatch.drain(on)

    def drain_device(self, name: str, on: bool) -> None:
        """The same of one device, while others go on. Raises ``StudioError`` where there is none of that name."""
        self._dispatch.drain_device(name, on)
        self._choices.set(DRAINED, {"names": sorted(self._drained() - {name} | ({name} if on else set()))})

    def _is_drained(self) -> bool:
        return bool((self._choices.get(DRAIN) or {}).get("on"))

    def _drained(self) -> set[str]:
        return set((self._choices.get(DRAINED) or {}).get("names", ()))

    def queue(self) -> Sequence[Job]:
        """Everybody's waiting jobs, in the order in which they would begin."""
        return self._dispatch.queue()

    def spent(self, since: float) -> Sequence[tuple[str, str, float]]:
        """Device seconds by owner and model of jobs that ended after ``since`` or run now."""
        return [*self._rows.spent(since), *self._dispatch.unwritten()]

    # ------------------------------------------------------------------------------------- looking

    def totals(self) -> list[tuple[str, str, int, float]]:
        """Of everybody: kind, state, how many, and their device seconds up to their last end."""
        return self._rows.totals()

    def get(self, owner: str, job_id: str) -> Job:
        job = self._rows.owned(owner, job_id)
        self._presence.look(job_id)
        return replace(job, device_seconds=self._dispatch.device_seconds(job))

    def list(self, owner: str, kinds: Collection[str] = (), states: Collection[str] = (), limit: int = 50) -> list[Job]:
        """``owner``'s jobs, newest first."""
        return self._rows.find(owner, kinds, states, limit)

    def current(self, owner: str, kind: str) -> Job | None:
        """The newest job of this kind that has not ended: what a reloaded page goes on following."""
        return next(iter(self._rows.find(owner, (kind,), LIVE, 1)), None)

    async def follow(self, owner: str, job_id: str, after: int = 0) -> AsyncIterator[Batch]:
        """Events above ``after`` in batches, at once what there is and then as they come, to the job's end.

        An empty batch comes about once a second while nothing happens, so that a caller can say where the job
        stands, and notice that its listener has gone.
        """
        self._rows.owned(owner, job_id)
        with self._presence.here(job_id):
            async with aclosing(followed(self._log, self._rows, job_id, after)) as batches:
                async for batch in batches:
                    yield batch

    def events(self, owner: str, job_id: str, after: int = 0) -> Batch:
        """Everything above ``after`` that has happened so far."""
        self._rows.owned(owner, job_id)
        self._presence.look(job_id)
        found: Batch = []
        while batch := self._log.read(job_id, found[-1].seq if found else after):
            found += batch
        return found

    def place(self, owner: str, job_id: str) -> Place | None:
        """Where a queued job stands; None once it runs or has ended."""
        self._rows.owned(owner, job_id)
        return self._dispatch.place(job_id)

    def status(self) -> EngineStatus:
        """The engine's numbers. Whose jobs they are is for the caller to keep to himself."""
        return self._dispatch.status()
