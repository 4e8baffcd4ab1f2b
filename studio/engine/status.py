"""What the engine is doing at this moment, as plain values for the status strip."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Running:
    """A job that is with the engine. ``holds``: it has the device right now."""

    job_id: str
    owner: str
    kind: str
    state: str
    stage: str
    done: float
    total: float | None
    unit: str
    holds: bool
    seconds_left: float | None


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
