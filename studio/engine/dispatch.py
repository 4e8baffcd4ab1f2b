"""Which queued job goes to the engine, and what becomes of what the engine says.

Knows rows, the host and the roster of who waits and who is inside. Does not know owners' rights. Interactive jobs and
training have places of their own, so that neither waits for the other to end; inside the engine they take turns.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.exc import OperationalError

from pipelines.base import ATTEMPT, Scalar
from pipelines.durable import DiskFull
from studio.engine.caps import Caps
from studio.engine.events import RETRY_SECONDS, EventLog
from studio.engine.hosts import Host, Loss
from studio.engine.job import LIVE, ErrorSentence, Job, Place
from studio.engine.messages import Added, Emitted, Ended, Message, Ready, Run, Steer, Tell, Turned, Unload, Vitals
from studio.engine.recovery import AGAIN, CLOSED, USED_UP, Recovery, sentence_of
from studio.engine.roster import Inside, Roster, interactive
from studio.engine.rows import JobRows
from studio.engine.status import EngineStatus
from studio.engine.term import Deposed
from studio.engine.usage import DAY, Usage
from studio.moderation.moderation import Moderation
from studio.settings import Settings

log = logging.getLogger(__name__)


class Dispatch:
    """Hands jobs over, takes messages in. All entry points may be called from any thread."""

    def __init__(
        self, settings: Settings, rows: JobRows, event_log: EventLog, host: Host, caps: Caps, moderation: Moderation
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._log = event_log
        self._host = host
        self._moderation = moderation
        self._lock = threading.RLock()
        self._roster = Roster(settings, caps)
        self._recovery = Recovery()
        self._ready: Ready | None = None
        self._closing = False
        self._draining = False

    def start(self) -> None:
        """Takes up what the last run left: running jobs are interrupted, queued ones wait on."""
        for job in self._rows.find(states=("running", "paused")):
            self._rows.move(job.id, "interrupted", LIVE, error=CLOSED)
        for job in reversed(self._rows.find(states=("done",), limit=100)):
            self._roster.estimates.learn(job, job.device_seconds)
        for job in self._rows.since(time.time() - DAY):
            self._roster.usage.begin_with(job)
        self._sweep()
        with self._lock:
            self._roster.queue = self._rows.find(states=("queued",), oldest_first=True)
        self._host.start(self._receive, self._lost)

    def close(self) -> None:
        """Ends the engine. Jobs that ran are interrupted and can be resumed; queued ones stay queued."""
        with self._lock:
            self._closing = True
        self._host.close()
        for job_id in list(self._roster.inside):
            self._rows.move(job_id, "interrupted", LIVE, error=CLOSED)

    # --------------------------------------------------------------------------- from the service

    def add(self, job: Job) -> None:
        """Puts a job that is already written down in the queue."""
        with self._lock:
            self._roster.queue.append(job)
            self._pump()

    def tell(self, job: Job, what: str) -> bool:
        """Cancels, finishes, pauses or resumes a job. False where it is neither queued nor with the engine."""
        with self._lock:
            waiting = next((one for one in self._roster.queue if one.id == job.id), None)
            if waiting is not None and what in ("cancel", "finish"):
                self._roster.queue.remove(waiting)
                self._rows.move(job.id, "cancelled", LIVE)
                self._clear(job.id)
                return True
            if job.id not in self._roster.inside:
                return False
        self._host.order(Tell(job.id, what))
        return True

    def stop(self, job: Job, why: ErrorSentence) -> bool:
        """Interrupts a job, which its owner can resume, and says why. False where it has ended."""
        with self._lock:
            waiting = next((one for one in self._roster.queue if one.id == job.id), None)
            if waiting is not None:
                self._roster.queue.remove(waiting)
                return self._rows.move(job.id, "interrupted", LIVE, error=why)
            inside = self._roster.inside.get(job.id)
            if inside is None:
                return False
            inside.stopped = why
        self._host.order(Tell(job.id, "interrupt"))
        return True

    def steer(self, job: Job, changes: Mapping[str, Scalar]) -> bool:
        """Hands a job that is with the engine what was changed. False where it is not there."""
        with self._lock:
            if job.id not in self._roster.inside:
                return False
        self._host.order(Steer(job.id, changes))
        return True

    def unload(self, model: str) -> None:
        """Takes a model out of memory that nobody uses."""
        self._host.order(Unload(model))

    def drain(self, on: bool) -> None:
        """Begins nothing more; what runs goes on to its end and the queue stays. Or begins again."""
        with self._lock:
            self._draining = on
            self._pump()

    @property
    def draining(self) -> bool:
        return self._draining

    def waiting(self, owner: str | None = None) -> int:
        with self._lock:
            return sum(owner is None or job.owner == owner for job in self._roster.queue)

    def queue(self) -> list[Job]:
        """What waits, each class in the order in which it would go, interactive first."""
        with self._lock:
            return [*self._roster.ordered(True), *self._roster.ordered(False)]

    def place(self, job_id: str) -> Place | None:
        """Where a queued job stands, None where it is not queued. Nobody knows when a drained studio goes on."""
        with self._lock:
            place = self._roster.place(job_id)
            return replace(place, ahead_seconds=None) if place and self._draining else place

    @property
    def usage(self) -> Usage:
        """What everybody has used of the device, up to the last second."""
        return self._roster.usage

    def unwritten(self) -> list[tuple[str, str, float]]:
        """Owner, model (or kind) and device seconds of what runs, beyond what its row says."""
        with self._lock:
            running = [inside.job for inside in self._roster.inside.values()]
            found = [
                (job.owner, job.model or job.kind, self.device_seconds(job) - job.device_seconds) for job in running
            ]
        return [one for one in found if one[2] > 0]

    def status(self) -> EngineStatus:
        with self._lock:
            ready, vitals = self._ready, self._roster.vitals
            return EngineStatus(
                worker=self._host.state,
                device=ready.device if ready else "",
                device_kind=ready.kind if ready else "",
                device_reason=ready.reason if ready else "",
                memory_used=vitals.memory_used,
                memory_total=ready.memory_total if ready else 0,
                resident=vitals.resident,
                running=self._roster.running(),
                queued=len(self._roster.queue),
                draining=self._draining,
            )

    def device_seconds(self, job: Job) -> float:
        """Up to the last second, also while the job runs."""
        return self._roster.device_seconds(job)

    # --------------------------------------------------------------------------- from the host

    def _receive(self, message: Message) -> None:
        """Takes a message; while it cannot be written down (a full disk, say) it waits, and the engine with it."""
        while True:
            try:
                return self._take(message)
            except (DiskFull, OperationalError) as error:
                log.error("%s cannot be written down, trying again: %s", type(message).__name__, error)
                if self._closing:
                    return None
                time.sleep(RETRY_SECONDS)

    def _take(self, message: Message) -> None:
        match message:
            case Emitted(job_id, kind, data) if job_id in self._roster.inside:
                self._log.append(job_id, kind, data)
                self._roster.see(job_id, kind, data)
                if kind == "metrics" and data.get("steps"):
                    self._recovery.reached(job_id, int(data["steps"][-1]))
            case Added(job_id, made) if job_id in self._roster.inside:
                self._rows.add(job_id, made)
            case Vitals():
                self._heard(message)
            case Turned(job_id, state):
                self._turned(job_id, state)
            case Ended():
                self._ended(message)
            case Ready():
                with self._lock:
                    self._ready = message
                    self._pump()

    def _heard(self, vitals: Vitals) -> None:
        """Stops trainings whose owners have no device minutes left; others may begin now that some are free."""
        with self._lock:
            self._roster.hear(vitals)
            stopping = [
                one for one in self._roster.inside.values() if not one.stopped and self._roster.used_up(one.job)
            ]
            for one in stopping:
                one.stopped = USED_UP
            self._pump()
        for one in stopping:
            self._host.order(Tell(one.job.id, "interrupt"))

    def _turned(self, job_id: str, state: str) -> None:
        with self._lock:
            inside = self._roster.inside.get(job_id)
            if inside is None:
                return
            inside.paused = state == "paused"
            if inside.paused:
                self._rows.move(job_id, "paused", ("queued", "running"))
            else:
                self._rows.move(job_id, "running", ("queued", "paused"))
            self._pump()

    def _ended(self, end: Ended) -> None:
        with self._lock:
            inside = self._roster.inside.get(end.job_id)
        if inside is None:
            return
        self._rows.move(
            end.job_id,
            end.state,  # type: ignore[arg-type]  # the engine only ends jobs in ended states
            LIVE,
            device_seconds=end.device_seconds,
            error=inside.stopped or CLOSED if end.state == "interrupted" else end.error,
            facts=end.facts if end.state == "done" else None,
            made=end.made,
        )
        if end.error is not None and end.error.key.startswith("moderation."):
            self._moderation.note(inside.job.owner, inside.job.kind, end.error.as_error())
        if end.state != "interrupted":
            self._clear(end.job_id)
        with self._lock:
            if end.state == "done":
                self._roster.estimates.learn(inside.job, end.device_seconds - inside.job.device_seconds)
            self._roster.end(end.job_id, end.device_seconds)
            self._recovery.forget(end.job_id)
            self._pump()

    def _lost(self, loss: Loss) -> None:
        """The engine died. A training goes on by itself unless it gets nowhere, anything else that ran is interrupted
        with the reason, and what had not begun goes back in the queue."""
        with self._lock:
            for inside in list(self._roster.inside.values()):
                seconds = self._roster.device_seconds(inside.job)
                self._roster.end(inside.job.id, seconds)
                self._take_back(inside, seconds, loss)
            self._ready = None
            self._roster.vitals = Vitals(0, (), None, {})

    def _take_back(self, inside: Inside, seconds: float, loss: Loss) -> None:
        job, error = inside.job, inside.stopped or sentence_of(loss)
        goes_on = not (interactive(job) or inside.paused or inside.stopped) and self._recovery.again(job.id)
        if goes_on and self._rows.move(job.id, "queued", ("running",), error=AGAIN, device_seconds=seconds, retry=True):
            self._roster.queue.insert(0, replace(job, state="queued", attempt=job.attempt + 1, device_seconds=seconds))
        elif not self._rows.move(job.id, "interrupted", ("running", "paused"), error=error, device_seconds=seconds):
            self._rows.release(job.id)
            self._roster.queue.insert(0, job)

    # --------------------------------------------------------------------- folders of jobs

    def _clear(self, job_id: str) -> None:
        """Deletes what only a further attempt would have needed. After the job's end is written down, never before."""
        shutil.rmtree(self._settings.data / "jobs" / job_id / ATTEMPT, ignore_errors=True)

    def _sweep(self) -> None:
        """The same of jobs whose end was written down just before a kill."""
        going_on = {job.id for job in self._rows.find(states=(*LIVE, "interrupted"))}
        for folder in (self._settings.data / "jobs").glob(f"*/{ATTEMPT}"):
            if folder.parent.name not in going_on:
                self._clear(folder.parent.name)

    # --------------------------------------------------------------------- inside, lock held

    def _pump(self) -> None:
        """Hands over as many queued jobs as there are free places."""
        if self._ready is None or self._closing or self._draining:
            return
        for of_class in (True, False):
            while (job := self._roster.next(of_class)) is not None:
                claimed = self._claim(job)
                if claimed is None:
                    return
                if not claimed:
                    self._roster.queue.remove(job)
                    continue
                self._roster.begin(job)
                policy = self._moderation.policy(job.owner)
                self._host.order(Run(job.id, job.owner, job.kind, job.request, job.device_seconds, policy))

    def _claim(self, job: Job) -> bool | None:
        """Whether the job is ours to hand over; None while that cannot be written down (a full disk, say): it is tried
        again as soon as the engine says anything."""
        try:
            return self._rows.claim(job.id, self._ready.device if self._ready else "")
        except (DiskFull, OperationalError, Deposed) as error:
            log.error("job %s cannot be claimed, trying again: %s", job.id, error)
            return None
