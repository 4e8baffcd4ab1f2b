"""Who waits and who is with a device at this moment: places, caps and fairness put together, in memory.

Knows jobs, what their owners have used on all devices together and what each device last said. Does not know rows or
threads: whoever calls holds a lock. On each device each class, interactive and training, has places of its own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf
from typing import Any

from pipelines.errors import Busy
from pipelines.registry import registration
from studio.engine.caps import Caps
from studio.engine.estimates import UNKNOWN, Estimates
from studio.engine.fleet import Device, Fleet
from studio.engine.hosts import Demand, Notice
from studio.engine.job import ErrorSentence, Job, Place
from studio.engine.line import Waiting, choose, order, seconds_for, work_before
from studio.engine.messages import Vitals
from studio.engine.placement import Load, device_for, open_to
from studio.engine.status import EngineStatus, Running, glance
from studio.engine.usage import Usage
from studio.settings import Settings


@dataclass(eq=False)
class Inside:
    """A job that is with ``device``. ``seen`` are its latest figures, ``stopped`` why it was told to stop, ``ending``
    whether its owner has told it to cancel or to finish."""

    job: Job
    device: str
    paused: bool = False
    seen: dict[str, Any] = field(default_factory=dict)
    stopped: ErrorSentence | None = None
    ending: str = ""


def interactive(job: Job) -> bool:
    """Whether somebody waits for it in front of the page."""
    return registration(job.kind).interactive


class Roster:
    """``queue`` in the order of coming, ``inside`` by job, ``fleet`` the devices."""

    def __init__(self, settings: Settings, caps: Caps, fleet: Fleet) -> None:
        self._settings = settings
        self._caps = caps
        self.fleet = fleet
        self._passed: dict[str, float] = {}  # device seconds of others that went before because their model was loaded
        self.queue: list[Job] = []
        self.inside: dict[str, Inside] = {}
        self._of_owner: dict[str, dict[str, Inside]] = {}
        self.estimates = Estimates()
        self.usage = Usage()

    # ------------------------------------------------------------------------------ coming and going

    def begin(self, job: Job, device: str) -> None:
        """The job goes to a device."""
        self.queue.remove(job)
        self._passed.pop(job.id, None)
        self._enter(Inside(job, device))
        self.usage.begins(job)

    def adopt(self, job: Job, device: str) -> None:
        """The job has been with a device since before we came."""
        self.queue = [one for one in self.queue if one.id != job.id]
        self._enter(Inside(job, device, job.state == "paused"))
        self.usage.begins(job)

    def _enter(self, one: Inside) -> None:
        self._touch(one.device)
        self.inside[one.job.id] = one
        self._of_owner.setdefault(one.job.owner, {})[one.job.id] = one

    def end(self, job_id: str, seconds: float) -> None:
        """The job is not with a device any more, and has used ``seconds`` in all."""
        gone = self.inside.pop(job_id)
        self._touch(gone.device)
        del self._of_owner[gone.job.owner][job_id]
        if not self._of_owner[gone.job.owner]:
            del self._of_owner[gone.job.owner]
        self.usage.book(gone.job, seconds)
        self.usage.ends(job_id)

    def _touch(self, device: str) -> None:
        if (found := self.fleet.get(device)) is not None:
            found.used = time.monotonic()

    def hear(self, device: Device, vitals: Vitals) -> None:
        """Charges owners for what their jobs have used since the last time."""
        device.vitals = vitals
        for job_id, seconds in vitals.device_seconds.items():
            if job_id in self.inside:
                self.usage.book(self.inside[job_id].job, seconds)

    def see(self, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
        """Takes what the status strip and the estimates need of an event."""
        self.inside[job_id].seen |= glance(kind, data)

    def device_seconds(self, job: Job) -> float:
        """Up to the last second, also while the job runs."""
        one = self.inside.get(job.id)
        device = None if one is None else self.fleet.get(one.device)
        return max(job.device_seconds, 0.0 if device is None else device.vitals.device_seconds.get(job.id, 0.0))

    # ------------------------------------------------------------------------------------- who is next

    def next(self, of_class: bool) -> tuple[Job, str] | None:
        """Who has the next free place of a class and on which device; None where there is none, or for nobody."""
        if not self.queue:
            return None
        rooms = open_to(self._loads(), of_class, self._places(of_class))
        line = self._line(of_class)
        if not rooms or not line:
            return None
        loaded = frozenset[str]().union(*(room.models for room in rooms))
        ordered = self._ordered(of_class, line.values(), loaded)
        credit = self._settings.loaded_credit
        job = line[choose(ordered, self._passed, credit).job_id]
        return job, device_for(of_class, job.model, rooms, credit)

    def _line(self, of_class: bool) -> dict[str, Job]:
        """Those of a class that may begin. Whether one may depends on its owner alone, who is looked at once."""
        may: dict[str, bool] = {}
        self._caps.look_up({job.owner for job in self.queue})
        places = self._places(True) * self._devices
        line = {}
        for job in self.queue:
            if interactive(job) == of_class:
                if job.owner not in may:
                    may[job.owner] = self._may_begin(job, places)
                if may[job.owner]:
                    line[job.id] = job
        return line

    def _loads(self) -> list[Load]:
        """What each device has to do."""
        inside: dict[str, list[Job]] = {device.name: [] for device in self.fleet}
        models: dict[str, set[str]] = {device.name: {"", *device.models} for device in self.fleet}
        for one in self.inside.values():
            models[one.device].add(one.job.model)
            if not one.paused:
                inside[one.device].append(one.job)
        return [self._load(device, inside[device.name], frozenset(models[device.name])) for device in self.fleet]

    def _load(self, device: Device, jobs: list[Job], models: frozenset[str]) -> Load:
        asked = [job for job in jobs if interactive(job)]
        work = sum(map(self._expected, asked))
        return Load(device.name, self.fleet.takes(device), models, len(asked), len(jobs) - len(asked), work)

    def used_up(self, job: Job) -> bool:
        """Whether a training's owner has no device minutes left. What somebody waits for in front of the page ends."""
        return not interactive(job) and self._caps.minutes_left(job.owner, self.usage.day(job.owner)) == 0

    def _may_begin(self, job: Job, places: int) -> bool:
        """A cap may hold a job back; and nobody has the last free place too, so that whoever comes need not wait."""
        mine = self._running_of(job.owner)
        if interactive(job) and places > 1 and sum(map(interactive, mine)) >= places - 1:
            return False
        return self._held(job) is None

    def _held(self, job: Job, running: int | None = None) -> Busy | None:
        """What keeps a job waiting however free the device is: a cap of its owner's role, who has so many running."""
        try:
            self._caps.check_running(job.owner, len(self._running_of(job.owner)) if running is None else running)
            if not interactive(job):
                used = self.usage.day(job.owner)
                self._caps.check_minutes(job.owner, used, partial(self.usage.minutes_until, job.owner))
        except Busy as held:
            return held
        return None

    def demand(self) -> Demand:
        """Who of those who wait would begin if there were devices enough, as no cap holds them back; and how many
        devices more that would take, each having places of either class."""
        running = {owner: len(self._running_of(owner)) for owner in {job.owner for job in self.queue}}
        waiting = Counter[bool]()
        for job in self.queue:
            if self._held(job, running[job.owner]) is None:
                running[job.owner] += 1
                waiting[interactive(job)] += 1
        devices = max((ceil(count / self._places(of_class)) for of_class, count in waiting.items()), default=0)
        return Demand(waiting.total(), max(0, devices - self.fleet.coming))

    def _running_of(self, owner: str) -> list[Job]:
        return [one.job for one in self._of_owner.get(owner, {}).values() if not one.paused]

    @property
    def _devices(self) -> int:
        """How many devices share the work; one is taken to come where there is none yet."""
        return max(1, self.fleet.taking)

    def _places(self, of_class: bool) -> int:
        """Of a class on each device."""
        return self._settings.running if of_class else max(1, self._settings.running // 2)

    def _of_class(self, of_class: bool) -> list[Job]:
        """The jobs of a class that are with a device and not paused."""
        return [one.job for one in self.inside.values() if interactive(one.job) == of_class and not one.paused]

    def _ordered(self, of_class: bool, jobs: Iterable[Job], loaded: Collection[str]) -> list[Waiting]:
        """Jobs in the order in which they would go. Owners are charged what they have used lately, and what the jobs
        they have running are expected to use yet. ``loaded`` models need not be loaded any more."""
        charges = self.usage.lately()
        for job in self._of_class(of_class):
            charges[job.owner] = charges.get(job.owner, 0.0) + self._expected(job)
        return order((self._waiting(job, job.model in loaded) for job in jobs), charges)

    def _expected(self, job: Job) -> float:
        """Device seconds that a job inside is put down for from now on."""
        left = self._left(job)
        return UNKNOWN if left is None else left

    def _waiting(self, job: Job, loaded: bool) -> Waiting:
        expected = self.estimates.expected(job)
        return Waiting(job.id, job.owner, job.created, UNKNOWN if expected is None else expected, loaded)

    # ----------------------------------------------------------------------------------------- looking

    def ordered(self, of_class: bool) -> list[Job]:
        """What waits of a class, in the order in which it would go."""
        jobs = {job.id: job for job in self.queue if interactive(job) == of_class}
        return [jobs[one.job_id] for one in self._ordered(of_class, jobs.values(), ())]

    def place(self, job_id: str) -> Place | None:
        """Where a queued job stands among its class, None where it is not queued."""
        job = next((one for one in self.queue if one.id == job_id), None)
        if job is None:
            return None
        return next(place for one, place in self._standing(interactive(job)) if one.id == job_id)

    def places(self) -> dict[str, Place]:
        """The same of everybody who waits, for little more than that of one."""
        return {job.id: place for of_class in (True, False) for job, place in self._standing(of_class)}

    def _standing(self, of_class: bool) -> Iterator[tuple[Job, Place]]:
        """Those of a class who wait, first the next, each with how long until it begins: None for a time that nobody
        can know, as what runs or one before it is of a kind that was never seen to end."""
        line = self.ordered(of_class)
        inside, places = self._of_class(of_class), self._places(of_class) * self._devices
        running, others = _known(map(self._left, inside)), _known(map(self._left, self._of_class(not of_class)))
        rivals = inf if others is None else sum(others) / self._devices
        share = self._settings.training_share if not of_class else 1 - self._settings.training_share
        expected = [self.estimates.expected(job) for job in line]
        works = work_before(running or (), (seconds or 0.0 for seconds in expected), places)
        held: dict[str, Busy | None] = {}
        known = running is not None
        for position, (job, work) in enumerate(zip(line, works, strict=False)):
            if job.owner not in held:
                held[job.owner] = self._held(job)
            if held[job.owner] is not None:
                seconds = None
            elif len(inside) + position < places:
                seconds = 0.0
            else:
                seconds = seconds_for(work / self._devices, rivals, share) if known else None
            yield job, Place(position + 1, seconds, held[job.owner])
            known = known and expected[position] is not None

    def _left(self, job: Job) -> float | None:
        return self.estimates.left(job, self.device_seconds(job), self.inside[job.id].seen)

    def running(self) -> tuple[Running, ...]:
        """Everything that is with a device, for the status strip."""
        return tuple(
            Running.of(one.job, one.paused, one.seen, self.fleet.holds(one.job.id), one.device)
            for one in self.inside.values()
        )

    def status(self, draining: bool, notice: Notice = "") -> EngineStatus:
        """All devices, what runs and how much waits."""
        inside = Counter(one.device for one in self.inside.values())
        devices = [device.status(inside[device.name]) for device in self.fleet]
        return EngineStatus.of(devices, self.running(), len(self.queue), draining, notice)


def _known(seconds: Iterable[float | None]) -> list[float] | None:
    """All of them, None where one is not known."""
    found = list(seconds)
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None
