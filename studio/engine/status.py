"""What the engine is doing at this moment, as plain values for the status strip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

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

    @classmethod
    def of(cls, job: Job, paused: bool, seen: Mapping[str, Any], holds: bool) -> Self:
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
        )


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
class EngineStatus:
    """``worker`` is starting, ready, restarting or closed; device fields are empty until it is ready."""

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
