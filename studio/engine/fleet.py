"""The devices there are, by name: each with its host, what it last said of itself, and whether it takes anything new.

Knows hosts and their messages. Does not know jobs beyond their names, rows or threads: whoever calls holds a lock.
Devices come and go; one whose worker has died stays, without ``ready``, until a new worker says that it is up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from studio.engine.hosts import Host
from studio.engine.messages import Ready, Vitals
from studio.engine.status import DeviceStatus

SILENT = Vitals(0, (), None, {})
#: seconds for which an engine may be starting before what waits counts on others
STARTING = 120.0


@dataclass(eq=False)
class Device:
    """One device. ``node`` is the machine it is in; ``draining`` somebody's wish, ``leaving`` its machine's.

    ``source``: what this life of its engine is called, where that outlives us. ``heard``: when it last said how it is,
    by the monotonic clock; ``unheard``: whoever follows what runs there was told that this is a while ago.
    """

    name: str
    node: str
    host: Host
    ready: Ready | None = None
    vitals: Vitals = SILENT
    draining: bool = False
    leaving: bool = False
    #: its engine is of other code than we are
    outdated: bool = False
    source: str = ""
    heard: float = field(default_factory=time.monotonic)
    unheard: bool = False
    #: when a job last began or ended here, or it came
    used: float = field(default_factory=time.monotonic)

    @property
    def takes(self) -> bool:
        """Whether new jobs may begin here."""
        return self.ready is not None and not (self.draining or self.leaving)

    @property
    def coming(self) -> bool:
        """Whether new jobs may begin here in a moment: its engine is being started, and has not been for long."""
        starting = self.ready is None and time.monotonic() - self.heard < STARTING
        return starting and not (self.draining or self.leaving)

    @property
    def models(self) -> frozenset[str]:
        """What lies in its memory."""
        return frozenset(model for model, _ in self.vitals.resident)

    def status(self, jobs: int) -> DeviceStatus:
        """Its numbers; ``jobs`` are inside."""
        ready, vitals = self.ready, self.vitals
        return DeviceStatus(
            name=self.name,
            node=self.node,
            worker=self.host.state,
            device=ready.device if ready else "",
            kind=ready.kind if ready else "",
            reason=ready.reason if ready else "",
            memory_used=vitals.memory_used,
            memory_total=ready.memory_total if ready else 0,
            resident=vitals.resident,
            running=jobs,
            busy=vitals.holder is not None,
            draining=self.draining or self.leaving,
        )


class Fleet:
    """The devices, in the order in which they came."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    def add(self, device: Device) -> None:
        self._devices[device.name] = device

    def remove(self, name: str) -> None:
        self._devices.pop(name, None)

    def get(self, name: str) -> Device | None:
        return self._devices.get(name)

    @property
    def taking(self) -> int:
        """How many take new jobs."""
        return sum(device.takes for device in self)

    @property
    def coming(self) -> int:
        """How many will in a moment."""
        return sum(device.coming for device in self)

    def takes(self, device: Device) -> bool:
        """Whether new jobs may begin at a device: at an outdated one only where there is no other."""
        others = device.outdated and any(one.takes and not one.outdated for one in self)
        return device.takes and not others

    def holds(self, job_id: str) -> bool:
        """Whether the job has a device at this moment."""
        return any(device.vitals.holder == job_id for device in self)
