"""The section of devices: what runs and for whom, what waits, models in memory, device seconds, caps, maintenance.

Knows the job service and the caps. Every word of a message comes from a browser and is checked here; each act is in the
log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.errors import StudioError
from studio.accounts.person import Person
from studio.engine.status import EngineStatus
from studio.settings import RoleCaps
from studio.tabs.models import model_titles
from studio.tabs.section import Section

if TYPE_CHECKING:
    from studio.services import Studio

DAY = 24 * 3600


class Devices(Section):
    """Messages are objects with an ``action`` and what it needs."""

    name = "devices"

    def value(self, by: Person) -> dict[str, Any]:
        del by
        now = self.studio.jobs.status()
        names: dict[str, str] = {}
        return {
            "worker": now.worker,
            "notice": now.notice,
            "device": now.device,
            "reason": now.device_reason,
            "memory_used": now.memory_used,
            "memory_total": now.memory_total,
            "draining": now.draining,
            "devices": [one.shown() | {"models": [model for model, _ in one.resident]} for one in now.devices],
            "models": _models(now),
            "running": self._running(now, names),
            "queue": self._queue(names),
            "spent": self._spent(names),
            "caps": {role: caps.model_dump() for role, caps in self.studio.caps.all().items()},
        }

    def act(self, by: Person, message: dict[str, Any]) -> dict[str, Any]:
        match message:
            case {"action": "stop", "job": str(job)}:
                self.studio.jobs.stop(job)
                self._note(by, "job.stopped", job[:8])
            case {"action": "unload", "model": str(model)}:
                self.studio.jobs.unload(model)
                self._note(by, "model.unloaded", model)
            case {"action": "drain", "on": bool(on)}:
                self.studio.jobs.drain(on)
                self._note(by, "drain.begun" if on else "drain.over", "")
            case {"action": "drain_device", "device": str(device), "on": bool(on)}:
                self.studio.jobs.drain_device(device, on)
                self._note(by, "device.drained" if on else "device.undrained", device)
            case {"action": "caps", "role": str(role), "values": dict(values)}:
                caps = self.studio.caps.change(role, values)
                self._note(by, "caps.changed", f"{role}: {_words(caps)}")
            case {"action": "look"}:
                pass
            case _:
                raise StudioError(
                    "page.message", "The page asked for something there is not: {value}.", value=str(message)[:80]
                )
        return {}

    def _note(self, by: Person, what: str, subject: str) -> None:
        self.studio.accounts.audit.note(what, actor=by.name, account=by.account, subject=subject)

    def _who(self, owner: str, names: dict[str, str]) -> str:
        """What an owner is called; a browser from before there were accounts has no name."""
        if owner not in names:
            names[owner] = self.studio.accounts.name_of(owner)
        return names[owner]

    def _running(self, now: EngineStatus, names: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "job": job.job_id,
                "who": self._who(job.owner, names),
                "kind": job.kind,
                "model": job.model,
                "state": job.state,
                "stage": job.stage,
                "share": job.done / job.total if job.total else None,
                "left": job.seconds_left,
                "holds": job.holds,
                "device": job.device,
            }
            for job in now.running
        ]

    def _queue(self, names: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "job": job.id,
                "who": self._who(job.owner, names),
                "kind": job.kind,
                "model": job.model,
                "created": job.created,
            }
            for job in self.studio.jobs.queue()
        ]

    def _spent(self, names: dict[str, str]) -> list[dict[str, Any]]:
        """Device seconds by person and model, those of the last 7 days and of today among them, the most first."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for span, since in (("week", time.time() - 7 * DAY), ("today", _midnight())):
            for owner, model, seconds in self.studio.jobs.spent(since):
                who = self._who(owner, names)
                row = rows.setdefault((who, model), {"who": who, "model": model, "today": 0.0, "week": 0.0})
                row[span] += seconds
        return sorted(rows.values(), key=lambda row: -row["week"])


def _models(now: EngineStatus) -> list[dict[str, Any]]:
    """What is in memory. A model that a job runs on cannot be unloaded."""
    used = {job.model or job.kind for job in now.running}
    return [{"model": model, "bytes": size, "busy": model in used} for model, size in now.resident]


def _midnight() -> float:
    """When today began, where the studio stands."""
    return time.mktime((*time.localtime()[:3], 0, 0, 0, 0, 0, -1))


def _words(caps: RoleCaps) -> str:
    values: Mapping[str, int] = caps.model_dump()
    return ", ".join(f"{name} {value}" for name, value in values.items())


def build(studio: Studio) -> Section:
    """The section, laid out where it is called."""
    limits = {name: _most(name) for name in RoleCaps.model_fields}
    return Devices(studio, titles=model_titles(studio), limits=limits)


def _most(name: str) -> int:
    """The largest value a cap may have."""
    return next(int(rule.le) for rule in RoleCaps.model_fields[name].metadata if hasattr(rule, "le"))
