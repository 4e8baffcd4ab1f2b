"""Which device a job goes to: deciding alone, on plain numbers.

Knows what each device has inside, which models lie in its memory and whether it takes anything new. Does not know
hosts, rows or clocks. Who goes next is decided before, over all devices together (see ``line``): here it is only where.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a device has to do. ``takes``: it is up and not being drained.

    ``models`` lie in its memory, or will in a moment, as a job inside runs on them; "" is that of jobs that need none.
    ``interactive`` and ``trainings`` count jobs that are not paused, ``work`` are the device seconds that the
    interactive ones are expected to take yet.
    """

    device: str
    takes: bool = True
    models: frozenset[str] = frozenset({""})
    interactive: int = 0
    trainings: int = 0
    work: float = 0.0

    def has_room(self, of_class: bool, places: int) -> bool:
        """Whether one more job of a class, interactive or training, may begin where each may have ``places``."""
        return self.takes and (self.interactive if of_class else self.trainings) < places


def open_to(loads: Iterable[Load], of_class: bool, places: int) -> list[Load]:
    """The devices at which one more job of a class may begin."""
    return [load for load in loads if load.has_room(of_class, places)]


def device_for(of_class: bool, model: str, rooms: Sequence[Load], credit: float) -> str:
    """The device of ``rooms``, which are not empty, that a job of ``model`` goes to.

    An interactive job goes where it waits least, loading its model being worth ``credit`` device seconds of work: a
    device that has it is preferred for as long as it has at most so much more to do. Trainings are spread first, as
    each has its device for long; among equals the one that has the model, or less to do, takes it.
    """

    def seconds(load: Load) -> float:
        return load.work + (0.0 if model in load.models else credit)

    if of_class:
        return min(rooms, key=lambda load: (seconds(load), load.trainings, load.interactive, load.device)).device
    return min(rooms, key=lambda load: (load.trainings, seconds(load), load.interactive, load.device)).device
