"""The engine as it is seen from a process that does not lead: what ``Dispatch`` is to the job service where we do.

Every wish becomes an order for whoever leads; what is shown is what that one publishes, and rows. Nothing here waits
longer than a moment: an order that nobody sees to at once is kept, and done once somebody leads again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from pipelines.base import Scalar
from pipelines.errors import StudioError
from pipelines.registry import registration
from studio.engine.dispatch import Dispatch
from studio.engine.job import ErrorSentence, Job, Place
from studio.engine.orders import Order, Orders
from studio.engine.published import Published
from studio.engine.rows import JobRows
from studio.engine.status import EngineStatus
from studio.engine.usage import DAY, Usage


class Afar:
    """The part of ``Dispatch`` that the job service calls."""

    def __init__(self, rows: JobRows, orders: Orders, published: Published) -> None:
        self._rows = rows
        self._orders = orders
        self._published = published

    def add(self, job: Job) -> None:
        """Whoever leads has heard of it with its row."""

    def tell(self, job: Job, what: str) -> bool:
        return job.live and self._orders.ask("tell", job.id, {"what": what}) is not False

    def stop(self, job: Job, why: ErrorSentence) -> bool:
        said = {"key": why.key, "sentence": why.sentence, "values": dict(why.values)}
        return job.live and self._orders.ask("stop", job.id, said) is not False

    def steer(self, job: Job, changes: Mapping[str, Scalar]) -> bool:
        return job.live and self._orders.ask("steer", job.id, changes) is not False

    def unload(self, model: str) -> None:
        self._orders.ask("unload", None, {"model": model})

    def drain(self, on: bool) -> None:
        self._orders.ask("drain", None, {"on": on})

    def drain_device(self, name: str, on: bool) -> None:
        if self._orders.ask("drain_device", None, {"name": name, "on": on}) is False:
            known = ", ".join(one.name for one in self.status().devices)
            raise StudioError(
                "device.unknown", "There is no device {name}; there are {known}.", name=name[:60], known=known
            )

    @property
    def draining(self) -> bool:
        return self.status().draining

    def queue(self) -> list[Job]:
        """Every job that waits by its row, in the order that was published; what came since is last of its class."""
        places = self._published.read().places
        waiting = self._rows.find(states=("queued",), oldest_first=True)

        def rank(job: Job) -> tuple[bool, float]:
            return (not registration(job.kind).interactive, places[job.id][0] if job.id in places else float("inf"))

        return sorted(waiting, key=rank)

    def place(self, job_id: str) -> Place | None:
        job = self._rows.get(job_id)
        if job is None or job.state != "queued":
            return None
        known = self._published.read().place(job_id)
        if known is not None:
            return known
        interactive = registration(job.kind).interactive
        line = [one.id for one in self.queue() if registration(one.kind).interactive == interactive]
        return Place(line.index(job_id) + 1, None) if job_id in line else None

    @property
    def usage(self) -> Usage:
        """What everybody has used of the device, by rows and what is published of those that run."""
        usage, seconds = Usage(), self._published.read().seconds
        for job in self._rows.since(time.time() - DAY):
            usage.begin_with(replace(job, device_seconds=max(job.device_seconds, seconds.get(job.id, 0.0))))
        return usage

    def unwritten(self) -> list[tuple[str, str, float]]:
        return list(self._published.read().unwritten)

    def status(self) -> EngineStatus:
        return self._published.read().status

    def device_seconds(self, job: Job) -> float:
        return max(job.device_seconds, self._published.read().seconds.get(job.id, 0.0) if job.live else 0.0)


def carried_out(order: Order, dispatch: Dispatch, rows: JobRows) -> bool:
    """Does at the process that leads what was asked for afar. Whether it could be done."""
    job = rows.get(order.job_id) if order.job_id else None
    data = order.data
    if job is not None and job.state == "queued":
        dispatch.add(job)  # it may have been written down after the leader last looked for new ones
    match order.what:
        case "tell" if job is not None:
            return dispatch.tell(job, data["what"])
        case "stop" if job is not None:
            return dispatch.stop(job, ErrorSentence(data["key"], data["sentence"], data["values"]))
        case "steer" if job is not None:
            return dispatch.steer(job, data)
        case "unload":
            dispatch.unload(data["model"])
        case "drain":
            dispatch.drain(data["on"])
        case "drain_device":
            dispatch.drain_device(data["name"], data["on"])
        case _:
            return False
    return True
