"""What becomes of what the devices say: events, ends, signs of life, and a death of which a host tells.

Knows messages, rows, the event log and who is inside. Does not choose who goes where: that is for ``dispatch``, which
is built on this half. Nothing counts that a device says of a job which was taken from it meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy.exc import OperationalError

from pipelines.durable import DiskFull
from studio.engine.events import RETRY_SECONDS, EventLog
from studio.engine.fleet import SILENT, Device
from studio.engine.hosts import Loss
from studio.engine.job import LIVE, Job
from studio.engine.messages import (
    Added,
    Attached,
    Emitted,
    Ended,
    Marked,
    Message,
    Order,
    Ready,
    Tell,
    Turned,
    Vitals,
)
from studio.engine.recovery import AGAIN, CLOSED, UPGRADED, USED_UP, Recovery, sentence_of
from studio.engine.roster import Inside, Roster, interactive
from studio.engine.rows import JobRows
from studio.engine.status import GLANCED
from studio.engine.term import Deposed
from studio.engine.version import build
from studio.moderation.moderation import Moderation

log = logging.getLogger(__name__)

#: seconds without a word of a device that speaks once a second, after which people are told so
UNHEARD = 1.75
#: what the page says meanwhile, in place of how far the job is; and afterwards, where it was not said how far
NO_WORD: Mapping[str, Any] = {"stage": "unheard", "done": 0.0, "total": None, "unit": ""}
GOES_ON: Mapping[str, Any] = {**NO_WORD, "stage": "heard"}


class Hearing(ABC):
    """Takes messages in, from threads of the hosts'."""

    def __init__(self, rows: JobRows, event_log: EventLog, roster: Roster, moderation: Moderation) -> None:
        self._rows = rows
        self._log = event_log
        self._roster = roster
        self._moderation = moderation
        self._fleet = roster.fleet
        self._recovery = Recovery()
        self._lock = threading.RLock()
        self._closing = False
        #: devices whose engine was of another version, which we did not understand
        self._foreign: set[str] = set()
        self._finishing: set[str] = set()  # told to finish, and to be told again where they go on

    @abstractmethod
    def _pump(self) -> None:
        """Hands over as many queued jobs as there are free places. The lock is held."""

    @abstractmethod
    def _order(self, job_id: str, order: Order) -> bool:
        """Passes an order on to where the job is. False where it is with no device."""

    @abstractmethod
    def _recover(self, job: Job, seconds: float | None = None) -> None:
        """A job that nobody runs any more goes on, or is interrupted."""

    @abstractmethod
    def _clear(self, job_id: str) -> None:
        """Deletes what only a further attempt would have needed."""

    def _receive(self, device: Device, message: Message | Marked) -> None:
        """Takes a message; while it cannot be written down (a full disk, say) it waits, and the engine with it."""
        heard = self._log.heard

        def take() -> None:
            if not isinstance(message, Marked):
                self._take(device, message)
            elif message.number > heard.known(message.source):  # else it is told again, as nobody said it was written
                with heard.taking(message.source, message.number):
                    self._take(device, message.message)

        self._write(take, type(message).__name__)

    def _write(self, act: Callable[[], None], what: str) -> None:
        """Does what may fail for the moment until it does not, or we are closed: then it is for whoever leads now."""
        while True:
            try:
                return act()
            except (DiskFull, OperationalError, Deposed) as error:
                if self._closing:
                    return None
                log.error("%s cannot be written down, trying again: %s", what, error)
                time.sleep(RETRY_SECONDS)

    def _take(self, device: Device, message: Message) -> None:
        match message:
            case Emitted(job_id, kind, data) if self._at(job_id, device):
                self._log.append(job_id, kind, data)
                self._roster.see(job_id, kind, data)
                if kind == "metrics" and data.get("steps"):
                    self._recovery.reached(job_id, int(data["steps"][-1]))
            case Added(job_id, made) if self._at(job_id, device):
                self._rows.add(job_id, made)
            case Vitals():
                self._heard(device, message)
            case Turned(job_id, state) if self._at(job_id, device):
                self._turned(job_id, state)
            case Ended(job_id) if self._at(job_id, device):
                self._ended(message)
            case Ready():
                with self._lock:
                    device.ready = message
                    self._pump()
            case Attached(source, jobs):
                device.outdated = message.build != build()
                self._attached(device, source, jobs)

    def _attached(self, device: Device, source: str, jobs: tuple[str, ...]) -> None:
        """Its jobs go on where they are, but for those that were given up meanwhile; a job that was given to it while
        nobody was connected, and never came there, waits again."""
        if device.source and device.source != source:
            self._log.heard.forget(device.source)
        device.source = source
        for job_id in jobs:
            job, seen = self._rows.get(job_id), self._log.newest(job_id, GLANCED)
            with self._lock:
                if job is not None and job.live and job_id not in self._roster.inside:
                    self._roster.adopt(job, device.name)
                    for event in seen:
                        self._roster.see(job_id, event.kind, event.data)
                elif not self._at(job_id, device):
                    device.host.order(Tell(job_id, "cancel"))
        with self._lock:
            here = [one for one in self._roster.inside.values() if one.device == device.name]
            never = self._known_of(one for one in here if one.job.id not in jobs)
        self._lose_all(never, Loss("ended", "it never came to its device"))

    def _at(self, job_id: str, device: Device) -> bool:
        """Whether the job is with this device: what another says of it is of an attempt that was given up."""
        inside = self._roster.inside.get(job_id)
        return inside is not None and inside.device == device.name

    def _heard(self, device: Device, vitals: Vitals) -> None:
        """Stops trainings whose owners have no device minutes left; others may begin now that some are free."""
        device.heard = time.monotonic()
        if device.source:
            device.host.acknowledge(self._log.heard.written(device.source))
        with self._lock:
            self._roster.hear(device, vitals)
            stopping = [
                one for one in self._roster.inside.values() if not one.stopped and self._roster.used_up(one.job)
            ]
            for one in stopping:
                one.stopped = USED_UP
            self._pump()
        for one in stopping:
            self._order(one.job.id, Tell(one.job.id, "interrupt"))

    def remark(self) -> None:
        """Says to whoever follows a job that its device, on another machine, has been silent for a while, which says
        once a second how it is; and what went on there, once it is heard again. Whether it is lost is for its host."""
        said: list[tuple[str, Mapping[str, Any]]] = []
        with self._lock:
            for device in self._fleet:
                silent = bool(device.source and device.ready) and time.monotonic() - device.heard > UNHEARD
                if silent != device.unheard:
                    device.unheard = silent
                    inside = [one for one in self._roster.inside.values() if one.device == device.name]
                    said += [(one.job.id, NO_WORD if silent else {**GOES_ON, **stage_of(one)}) for one in inside]
        for job_id, words in said:
            self._log.append(job_id, "progress", words)

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
        if end.state == "interrupted" and self._closing and not (inside.stopped or end.error):
            self._recover(self._rows.get(end.job_id) or inside.job, end.device_seconds)
            return
        with self._lock:  # whoever sees that it has ended finds it with no device, and may resume it
            self._rows.move(
                end.job_id,
                end.state,  # type: ignore[arg-type]  # the engine only ends jobs in ended states
                LIVE,
                device_seconds=end.device_seconds,
                error=inside.stopped or end.error or CLOSED if end.state == "interrupted" else end.error,
                facts=end.facts if end.state == "done" else None,
                made=end.made,
            )
            if end.error is not None and end.error.key.startswith("moderation."):
                self._moderation.note(inside.job.owner, inside.job.kind, end.error.as_error())
            if end.state == "done":
                self._roster.estimates.learn(inside.job, end.device_seconds - inside.job.device_seconds)
            self._roster.end(end.job_id, end.device_seconds)
            self._recovery.forget(end.job_id)
            self._finishing.discard(end.job_id)
            self._pump()
        if end.state != "interrupted":
            self._clear(end.job_id)

    def _lost(self, device: Device, loss: Loss) -> None:
        """A device's engine died. A training goes on by itself, here or elsewhere, unless it gets nowhere; anything
        else that ran is interrupted with the reason, and what had not begun goes back in the queue."""
        with self._lock:
            if loss.cause == "foreign":
                self._foreign.add(device.name)
            lost = self._known_of([one for one in self._roster.inside.values() if one.device == device.name])
            device.ready, device.vitals, device.unheard = None, SILENT, False
        self._lose_all(lost, loss)

    def _known_of(self, lost: Iterable[Inside]) -> list[tuple[Inside, float, bool]]:
        """Jobs that are with no device any more, their device seconds, and whether each is begun again by itself."""
        return [
            (
                one,
                self._roster.device_seconds(one.job),
                not (interactive(one.job) or one.paused or one.stopped) and self._recovery.again(one.job.id),
            )
            for one in lost
        ]

    def _lose_all(self, lost: list[tuple[Inside, float, bool]], loss: Loss) -> None:
        for each in lost:
            self._write(partial(self._lose, *each, loss), f"the loss of job {each[0].job.id}")
        with self._lock:
            self._pump()

    def _lose(self, inside: Inside, seconds: float, again: bool, loss: Loss) -> None:
        with self._lock:
            if self._roster.inside.get(inside.job.id) is inside:
                self._take_back(inside, seconds, again, loss)
                self._roster.end(inside.job.id, seconds)

    def _take_back(self, inside: Inside, seconds: float, goes_on: bool, loss: Loss) -> None:
        job, error = inside.job, inside.stopped or sentence_of(loss)
        if inside.ending == "cancel":  # which the device did not live to hear
            self._rows.move(job.id, "cancelled", LIVE, device_seconds=seconds)
            self._clear(job.id)
            return
        if inside.ending == "finish":
            self._finishing.add(job.id)
        again = UPGRADED if loss.cause == "foreign" else AGAIN
        if goes_on and self._rows.move(job.id, "queued", ("running",), error=again, device_seconds=seconds, retry=True):
            self._roster.queue.insert(0, replace(job, state="queued", attempt=job.attempt + 1, device_seconds=seconds))
        elif not self._rows.move(job.id, "interrupted", ("running", "paused"), error=error, device_seconds=seconds):
            self._rows.release(job.id)
            self._roster.queue.insert(0, job)
        else:
            self._finishing.discard(job.id)


def stage_of(one: Inside) -> Mapping[str, Any]:
    """How far it was when it last said so, as it said it."""
    return {name: one.seen[name] for name in NO_WORD if "stage" in one.seen and name in one.seen}
