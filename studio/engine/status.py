"""What the engine is doing at this moment, as plain values for the status strip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from studio.engine.hosts import Notice
from studio.engine.job import Job


@dataclass(frozen=True)
class Running:
    """A job that is with the engine. ``holds``: it has the device right now."""

    job_id: str
    owner: str
    kind: str
    model: str
    state: str
    stage: str
    done: float
    total: float | None
    unit: str
    holds: bool
    seconds_left: float | None
    #: the name of the device it is in
    device: str = ""

    @classmethod
    def of(cls, job: Job, paused: bool, seen: Mapping[str, Any], holds: bool, device: str = "") -> Self:
        """``seen``: what ``glance`` has found in its events so far."""
        total = seen.get("total")
        return cls(
            job_id=job.id,
            owner=job.owner,
            kind=job.kind,
            model=job.model,
            state="paused" if paused else "running",
            stage=str(seen.get("stage", "waiting")),
            done=float(seen.get("done", 0)),
            total=None if total is None else float(total),
            unit=str(seen.get("unit", "")),
            holds=holds,
            seconds_left=seen.get("left"),
            device=device,
        )


#: kinds of events of which ``glance`` has something to say
GLANCED = ("progress", "token", "metrics")


def glance(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
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


@dataclass(frozen=True)
class DeviceStatus:
    """One device. ``worker`` is starting, ready, restarting or closed; fields from ``device`` on are empty until it is
    ready. ``running`` jobs are inside, ``busy``: one of them has the device. ``draining``: it begins nothing more.
    """

    name: str
    node: str
    worker: str
    device: str
    kind: str
    reason: str
    memory_used: int
    memory_total: int
    resident: tuple[tuple[str, int], ...]
    running: int
    busy: bool
    draining: bool

    def shown(self) -> dict[str, Any]:
        """What everybody may know of it, as plain values."""
        names = ("name", "node", "worker", "device", "memory_used", "memory_total", "running", "busy", "draining")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class EngineStatus:
    """Of all devices together. ``worker`` is that of the device that is furthest: ready as soon as one is.

    ``device``, its kind and the reason are those of the first that is ready, empty before; bytes are summed.
    """

    worker: str
    device: str
    device_kind: str
    device_reason: str
    memory_used: int
    memory_total: int
    resident: tuple[tuple[str, int], ...]
    running: tuple[Running, ...]
    queued: int
    #: begins nothing more, for maintenance
    draining: bool = False
    devices: tuple[DeviceStatus, ...] = ()
    #: what there is to know of the cluster
    notice: Notice = ""

    @classmethod
    def of(
        cls,
        devices: Sequence[DeviceStatus],
        running: tuple[Running, ...],
        queued: int,
        draining: bool,
        notice: Notice = "",
    ) -> EngineStatus:
        """Of the devices' numbers."""
        first = next((one for one in devices if one.worker == "ready" and one.device), None)
        leading = first or next(iter(devices), None)
        resident: dict[str, int] = {}
        for one in devices:
            for model, size in one.resident:
                resident[model] = resident.get(model, 0) + size
        return cls(
            worker=leading.worker if leading else "starting",
            device=first.device if first else "",
            device_kind=first.kind if first else "",
            device_reason=first.reason if first else "",
            memory_used=sum(one.memory_used for one in devices),
            memory_total=sum(one.memory_total for one in devices),
            resident=tuple(resident.items()),
            running=running,
            queued=queued,
            draining=draining,
            devices=tuple(devices),
            notice=notice,
        )
