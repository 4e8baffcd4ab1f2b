"""Which queued job goes to which device, and what the service wants of those that are there already.

Knows rows, the fleet and the roster of who waits and who is inside. Does not know owners' rights. Interactive jobs and
training have places of their own, so that neither waits for the other to end; inside a device they take turns. What
becomes of what the devices say is in ``hearing``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from sqlalchemy.exc import OperationalError

from pipelines.base import ATTEMPT, Scalar
from pipelines.durable import DiskFull
from pipelines.errors import StudioError
from studio.engine.caps import Caps
from studio.engine.events import EventLog
from studio.engine.fleet import Device, Fleet
from studio.engine.hearing import Hearing
from studio.engine.hosts import Demand, Host, Hosts, Loss, Notice
from studio.engine.job import LIVE, ErrorSentence, Job, Place
from studio.engine.messages import Order, Run, Steer, Tell, Unload
from studio.engine.recovery import AGAIN, CLOSED, MOVED, UPGRADED, sentence_of
from studio.engine.roster import Roster, interactive
from studio.engine.rows import JobRows
from studio.engine.status import EngineStatus
from studio.engine.term import Deposed
from studio.engine.usage import DAY, Usage
from studio.moderation.moderation import Moderation
from studio.settings import Settings
from studio.store.workspaces import Workspaces

log = logging.getLogger(__name__)


class Dispatch(Hearing):
    """Hands jobs over. All entry points may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        rows: JobRows,
        event_log: EventLog,
        hosts: Hosts,
        caps: Caps,
        moderation: Moderation,
        workspaces: Workspaces,
    ) -> None:
        super().__init__(rows, event_log, Roster(settings, caps, Fleet()), moderation)
        self._hosts = hosts
        self._workspaces = workspaces
        #: devices that begin nothing more, those among them that are not there yet
        self.drained: set[str] = set()
        self._begun = False  # before that nobody knows what still runs somewhere
        self._draining = False
        self._notice: Notice = ""

    def start(self) -> None:
        """Takes up what the last run left: what goes on in an engine that outlived it is followed on, other running
        jobs are interrupted, queued ones wait on."""
        for job in reversed(self._rows.find(states=("done",), limit=100)):
            self._roster.estimates.learn(job, job.device_seconds)
        for job in self._rows.since(time.time() - DAY):
            self._roster.usage.begin_with(job)
        self._sweep()
        self._log.heard.begin()
        with self._lock:
            self._roster.queue = self._rows.find(states=("queued",), oldest_first=True)
        self._hosts.start(self)
        for job in self._rows.find(states=("running", "paused")):
            if job.id not in self._roster.inside:
                self._recover(job)
        with self._lock:
            self._begun = True
            self._pump()

    def take_up(self, job: Job) -> None:
        """A job of which nobody has heard for a while goes on as if its device had died, unless it is with one."""
        if self.lacks([job.id]):
            log.warning("job %s was with nobody and is taken up again", job.id)
            self._rows.release(job.id)
            self._recover(job)

    def _recover(self, job: Job, seconds: float | None = None) -> None:
        """A job that nobody runs any more. Where there may be other processes, trainings go on by themselves."""
        foreign = job.device in self._foreign
        if not self._rows.shared and not foreign:
            self._rows.move(job.id, "interrupted", LIVE, error=CLOSED, device_seconds=seconds)
        elif job.state == "queued":
            self.add(job)
        elif not interactive(job) and self._rows.move(
            job.id, "queued", ("running",), error=UPGRADED if foreign else AGAIN, retry=True, device_seconds=seconds
        ):
            if (queued := self._rows.get(job.id)) is not None:
                self.add(queued)
        else:
            error = sentence_of(Loss("foreign", "")) if foreign else MOVED
            self._rows.move(job.id, "interrupted", LIVE, error=error, device_seconds=seconds)

    def close(self) -> None:
        """Ends the engines, but for those that outlive us. Jobs that ran are interrupted and can be resumed; queued
        ones stay queued."""
        self.abandon()
        for job_id, inside in list(self._roster.inside.items()):
            device = self._fleet.get(inside.device)
            if (device is None or not device.host.outlives) and (job := self._rows.get(job_id)) is not None:
                self._recover(job)

    def abandon(self) -> None:
        """Ends the engines, but for those that outlive us; what becomes of their jobs is for whoever leads now."""
        with self._lock:
            self._closing = True
        self._hosts.close()
        with ThreadPoolExecutor(max(1, len(self._fleet))) as closing:
            list(closing.map(lambda device: device.host.close(), self._fleet))

    # --------------------------------------------------------------------------- from the service

    def add(self, job: Job) -> None:
        """Puts a job that is already written down in the queue; one that is known already stays where it is."""
        with self._lock:
            if job.id not in self._roster.inside and all(one.id != job.id for one in self._roster.queue):
                self._roster.queue.append(job)
                self._pump()

    def tell(self, job: Job, what: str) -> bool:
        """Cancels, finishes, pauses or resumes a job. False where it is neither queued nor with the engine."""
        with self._lock:
            waiting = next((one for one in self._roster.queue if one.id == job.id), None)
            if waiting is not None and what == "finish" and waiting.attempt > 1 and not interactive(waiting):
                self._finishing.add(job.id)  # it has learned something, which is kept as soon as it has a device
                return True
            if waiting is not None and what in ("cancel", "finish"):
                self._finishing.discard(job.id)
                self._roster.queue.remove(waiting)
                self._rows.move(job.id, "cancelled", LIVE)
                self._clear(job.id)
                return True
            if what in ("cancel", "finish") and (inside := self._roster.inside.get(job.id)) is not None:
                inside.ending = what
        return self._order(job.id, Tell(job.id, what))

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
        return self._order(job.id, Tell(job.id, "interrupt"))

    def steer(self, job: Job, changes: Mapping[str, Scalar]) -> bool:
        """Hands a job that is with a device what was changed. False where it is not there."""
        return self._order(job.id, Steer(job.id, changes))

    def unload(self, model: str) -> None:
        """Takes a model out of the memory of every device on which nobody uses it."""
        for device in list(self._fleet):
            device.host.order(Unload(model))

    def _order(self, job_id: str, order: Order) -> bool:
        """Passes an order on to where the job is. False where it is with no device."""
        with self._lock:
            inside = self._roster.inside.get(job_id)
            device = None if inside is None else self._fleet.get(inside.device)
        if device is None:
            return False
        device.host.order(order)
        return True

    def drain(self, on: bool) -> None:
        """Begins nothing more; what runs goes on to its end and the queue stays. Or begins again."""
        with self._lock:
            self._draining = on
            self._pump()

    def drain_device(self, name: str, on: bool) -> None:
        """The same of one device: others take what comes. Raises ``StudioError`` where there is none of that name."""
        with self._lock:
            device = self._fleet.get(name)
            if device is None:
                known = ", ".join(one.name for one in self._fleet)
                raise StudioError(
                    "device.unknown", "There is no device {name}; there are {known}.", name=name[:60], known=known
                )
            device.draining = on
            self.drained = self.drained - {name} | ({name} if on else set())
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

    def places(self) -> dict[str, Place]:
        """``place`` of all that wait."""
        with self._lock:
            found = self._roster.places()
            if not self._draining:
                return found
            return {job_id: replace(place, ahead_seconds=None) for job_id, place in found.items()}

    def place(self, job_id: str) -> Place | None:
        """Where a queued job stands, None where it is not queued. Nobody knows when a drained studio goes on."""
        with self._lock:
            place = self._roster.place(job_id)
            return replace(place, ahead_seconds=None) if place and self._draining else place

    def lacks(self, job_ids: Collection[str]) -> list[str]:
        """Those of some jobs that neither wait here nor are with a device."""
        with self._lock:
            known = {*self._roster.inside, *(job.id for job in self._roster.queue)}
        return [job_id for job_id in job_ids if job_id not in known]

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

    def running_seconds(self) -> dict[str, float]:
        """Device seconds of every job that is with a device, up to the last second."""
        with self._lock:
            return {inside.job.id: self.device_seconds(inside.job) for inside in self._roster.inside.values()}

    def status(self) -> EngineStatus:
        with self._lock:
            return self._roster.status(self._draining, self._notice)

    def device_seconds(self, job: Job) -> float:
        """Up to the last second, also while the job runs."""
        return self._roster.device_seconds(job)

    # -------------------------------------------------------------------------- from the devices

    def join(self, name: str, node: str, host: Host) -> None:
        """See ``Members``, for this and those that follow."""
        device = Device(name, node, host, draining=name in self.drained)
        with self._lock:
            self._fleet.add(device)
        host.start(partial(self._receive, device), partial(self._lost, device))

    def leaving(self, name: str, on: bool) -> None:
        with self._lock:
            device = self._fleet.get(name)
            if device is not None:
                device.leaving = on
                self._pump()

    def demand(self) -> Demand:
        with self._lock:
            return Demand(0, 0) if self._draining else self._roster.demand()

    def retire(self, name: str, seconds: float) -> bool:
        with self._lock:
            device = self._fleet.get(name)
            if device is None or any(one.device == name for one in self._roster.inside.values()):
                return False
            idle = time.monotonic() - device.used >= seconds
            device.leaving = device.leaving or idle
            return idle

    def notice(self, notice: Notice) -> None:
        self._notice = notice

    def part(self, name: str) -> None:
        with self._lock:
            self._fleet.remove(name)

    # --------------------------------------------------------------------- folders of jobs

    def _clear(self, job_id: str) -> None:
        """Deletes what only a further attempt would have needed. After the job's end is written down, never before."""
        self._workspaces.clear(job_id, ATTEMPT)

    def _sweep(self) -> None:
        """The same of jobs whose end was written down just before a kill."""
        going_on = {job.id for job in self._rows.find(states=(*LIVE, "interrupted"))}
        for job_id in self._workspaces.holding(ATTEMPT):
            if job_id not in going_on:
                self._clear(job_id)

    # --------------------------------------------------------------------- inside, lock held

    def _pump(self) -> None:
        """Hands over as many queued jobs as there are free places."""
        if not self._begun or self._closing or self._draining:
            return
        for of_class in (True, False):
            while (following := self._roster.next(of_class)) is not None:
                job, device = following
                claimed = self._claim(job, device)
                if claimed is None:
                    return
                if claimed:
                    self._hand(job, device)
                else:
                    self._roster.queue.remove(job)

    def _claim(self, job: Job, device: str) -> bool | None:
        """Whether the job is ours to hand over; None while that cannot be written down (a full disk, say): it is tried
        again as soon as a device says anything."""
        try:
            return self._rows.claim(job.id, device)
        except (DiskFull, OperationalError, Deposed) as error:
            log.error("job %s cannot be claimed, trying again: %s", job.id, error)
            return None

    def _hand(self, job: Job, name: str) -> None:
        """Gives a device a job that is claimed."""
        device = self._fleet.get(name)
        if device is None:
            raise KeyError(name)
        self._roster.begin(job, name)
        policy = self._moderation.policy(job.owner)
        device.host.order(Run(job.id, job.owner, job.kind, job.request, job.device_seconds, policy))
        if job.id in self._finishing:
            self._roster.inside[job.id].ending = "finish"
            device.host.order(Tell(job.id, "finish"))
