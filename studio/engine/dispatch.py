"""Which queued job goes to the engine, and what becomes of what the engine says.

Knows rows, the host and how many jobs may take turns at once. Does not know owners' rights. Interactive jobs and
training have places of their own, so that neither waits for the other to end; inside the engine they take turns.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import OperationalError

from pipelines.base import ATTEMPT, Scalar
from pipelines.durable import DiskFull
from pipelines.registry import registration
from studio.engine.events import RETRY_SECONDS, EventLog
from studio.engine.hosts import Host
from studio.engine.job import LIVE, ErrorSentence, Job, Place
from studio.engine.messages import Emitted, Ended, Message, Ready, Run, Steer, Tell, Turned, Vitals
from studio.engine.rows import JobRows
from studio.engine.status import EngineStatus, Running
from studio.settings import Settings

log = logging.getLogger(__name__)

CLOSED = ErrorSentence(
    "job.closed", "The studio was closed while this was running. Resume goes on from where it can.", {}
)


class Dispatch:
    """Hands jobs over, takes messages in. All entry points may be called from any thread."""

    def __init__(self, settings: Settings, rows: JobRows, event_log: EventLog, host: Host) -> None:
        self._settings = settings
        self._rows = rows
        self._log = event_log
        self._host = host
        self._lock = threading.RLock()
        self._queue: list[Job] = []
        self._handed: dict[str, Job] = {}
        self._paused: set[str] = set()
        self._progress: dict[str, Mapping[str, Any]] = {}
        self._typical: dict[str, float] = {}  # device seconds a job of a kind takes, lately
        self._ready: Ready | None = None
        self._vitals = Vitals(0, (), None, {})
        self._closing = False

    def start(self) -> None:
        """Takes up what the last run left: running jobs are interrupted, queued ones wait on."""
        for job in self._rows.find(states=("running", "paused")):
            self._rows.move(job.id, "interrupted", LIVE, error=CLOSED)
        for job in reversed(self._rows.find(states=("done",), limit=100)):
            self._learn(job.kind, job.device_seconds)
        self._sweep()
        with self._lock:
            self._queue = self._rows.find(states=("queued",), oldest_first=True)
        self._host.start(self._receive, self._lost)

    def close(self) -> None:
        """Ends the engine. Jobs that ran are interrupted and can be resumed; queued ones stay queued."""
        with self._lock:
            self._closing = True
        self._host.close()
        for job_id in list(self._handed):
            self._rows.move(job_id, "interrupted", LIVE, error=CLOSED)

    # --------------------------------------------------------------------------- from the service

    def add(self, job: Job) -> None:
        """Puts a job that is already written down in the queue."""
        with self._lock:
            self._queue.append(job)
            self._pump()

    def tell(self, job: Job, what: str) -> bool:
        """Cancels, finishes, pauses or resumes a job. False where it is neither queued nor with the engine."""
        with self._lock:
            waiting = next((one for one in self._queue if one.id == job.id), None)
            if waiting is not None and what in ("cancel", "finish"):
                self._queue.remove(waiting)
                self._rows.move(job.id, "cancelled", LIVE)
                self._clear(job.id)
                return True
            if job.id not in self._handed:
                return False
        self._host.order(Tell(job.id, what))
        return True

    def steer(self, job: Job, changes: Mapping[str, Scalar]) -> bool:
        """Hands a job that is with the engine what was changed. False where it is not there."""
        with self._lock:
            if job.id not in self._handed:
                return False
        self._host.order(Steer(job.id, changes))
        return True

    def waiting(self, owner: str | None = None) -> int:
        with self._lock:
            return sum(owner is None or job.owner == owner for job in self._queue)

    def place(self, job_id: str) -> Place | None:
        """Where a queued job stands, None where it is not queued."""
        with self._lock:
            order = sorted(self._queue, key=self._rank)
            position = next((number for number, job in enumerate(order, 1) if job.id == job_id), None)
            if position is None:
                return None
            ahead = [job.kind for job in order[: position - 1]] + [
                job.kind for job in self._handed.values() if job.id not in self._paused
            ]
            known = all(kind in self._typical for kind in ahead)
            seconds = sum(self._typical[kind] for kind in ahead) if known else None
            return Place(position, seconds)

    def status(self) -> EngineStatus:
        with self._lock:
            ready, vitals = self._ready, self._vitals
            running = tuple(self._running(job) for job in self._handed.values())
            return EngineStatus(
                worker=self._host.state,
                device=ready.device if ready else "",
                device_kind=ready.kind if ready else "",
                device_reason=ready.reason if ready else "",
                memory_used=vitals.memory_used,
                memory_total=ready.memory_total if ready else 0,
                resident=vitals.resident,
                running=running,
                queued=len(self._queue),
            )

    def device_seconds(self, job: Job) -> float:
        """Up to the last second, also while the job runs."""
        return max(job.device_seconds, self._vitals.device_seconds.get(job.id, 0.0))

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
            case Emitted(job_id, kind, data) if job_id in self._handed:
                self._log.append(job_id, kind, data)
                self._progress[job_id] = {**self._progress.get(job_id, {}), **_glance(kind, data)}
            case Vitals():
                self._vitals = message
            case Turned(job_id, state):
                self._turned(job_id, state)
            case Ended():
                self._ended(message)
            case Ready():
                with self._lock:
                    self._ready = message
                    self._pump()

    def _turned(self, job_id: str, state: str) -> None:
        with self._lock:
            if job_id not in self._handed:
                return
            if state == "paused":
                self._paused.add(job_id)
                self._rows.move(job_id, "paused", ("queued", "running"))
            else:
                self._paused.discard(job_id)
                self._rows.move(job_id, "running", ("queued", "paused"))
            self._pump()

    def _ended(self, end: Ended) -> None:
        with self._lock:
            job = self._handed.get(end.job_id)
        if job is None:
            return
        error = CLOSED if end.state == "interrupted" else end.error
        self._rows.move(
            end.job_id,
            end.state,  # type: ignore[arg-type]  # the engine only ends jobs in ended states
            LIVE,
            device_seconds=end.device_seconds,
            error=error,
            facts=end.facts if end.state == "done" else None,
            made=end.made,
        )
        if end.state == "done":
            self._learn(job.kind, end.device_seconds - job.device_seconds)
        if end.state != "interrupted":
            self._clear(end.job_id)
        with self._lock:
            self._forget(end.job_id)
            self._pump()

    def _lost(self, reason: str) -> None:
        """The engine died. What ran is interrupted, with the reason; what had not begun goes back in the queue."""
        error = ErrorSentence(
            "job.lost",
            "The process that runs the models ended ({reason}) while this was running; a new one has been started. "
            "Resume goes on from where it can.",
            {"reason": reason},
        )
        with self._lock:
            lost = [self._forget(job_id) for job_id in list(self._handed)]
            for job in lost:
                if job is None:
                    continue
                seconds = self.device_seconds(job)
                if not self._rows.move(
                    job.id, "interrupted", ("running", "paused"), error=error, device_seconds=seconds
                ):
                    self._queue.insert(0, job)
            self._ready = None
            self._vitals = Vitals(0, (), None, {})

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
        if self._ready is None or self._closing:
            return
        for interactive, places in ((True, self._settings.running), (False, max(1, self._settings.running // 2))):
            while True:
                busy = sum(
                    registration(job.kind).interactive == interactive
                    for job in self._handed.values()
                    if job.id not in self._paused
                )
                line = [job for job in self._queue if registration(job.kind).interactive == interactive]
                if busy >= places or not line:
                    break
                self._hand_over(min(line, key=self._rank))

    def _hand_over(self, job: Job) -> None:
        self._queue.remove(job)
        self._handed[job.id] = job
        self._host.order(Run(job.id, job.owner, job.kind, job.request, job.device_seconds))

    def _rank(self, job: Job) -> tuple[bool, int, float]:
        """Interactive first, then who has the fewest jobs running, then who came first."""
        running = Counter(one.owner for one in self._handed.values())
        return not registration(job.kind).interactive, running[job.owner], job.created

    def _forget(self, job_id: str) -> Job | None:
        self._paused.discard(job_id)
        self._progress.pop(job_id, None)
        return self._handed.pop(job_id, None)

    def _learn(self, kind: str, seconds: float) -> None:
        before = self._typical.get(kind)
        self._typical[kind] = seconds if before is None else 0.7 * before + 0.3 * seconds

    def _running(self, job: Job) -> Running:
        seen = self._progress.get(job.id, {})
        total = seen.get("total")
        return Running(
            job_id=job.id,
            owner=job.owner,
            kind=job.kind,
            state="paused" if job.id in self._paused else "running",
            stage=str(seen.get("stage", "waiting")),
            done=float(seen.get("done", 0)),
            total=None if total is None else float(total),
            unit=str(seen.get("unit", "")),
            holds=self._vitals.holder == job.id,
            seconds_left=seen.get("left"),
        )


def _glance(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the status strip needs of an event."""
    match kind:
        case "progress":
            return dict(data)
        case "token":
            return {"done": data["count"]}
        case "metrics":
            return {"left": data.get("left")}
        case _:
            return {}
