"""Which models are in memory: a ledger of measured bytes, least recently used out first, never one in use.

Knows pipelines by (kind, model) and bytes. Does not know who asked. Loading happens inside the caller's turn.
"""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.base import Pipeline, Report
from pipelines.devices import Device
from pipelines.errors import StudioError


@dataclass(eq=False)
class Resident:
    """A pipeline in memory or on its way there. ``users`` counts the jobs that run on it or load it."""

    key: tuple[str, str]
    pipeline: Pipeline
    expected: int
    users: int = 0
    used_at: float = field(default_factory=time.monotonic)
    settled: threading.Event = field(default_factory=threading.Event)  # loaded, or given up
    loaded: bool = False

    @property
    def bytes(self) -> int:
        """Measured; before it is loaded, what it is expected to take."""
        return self.pipeline.bytes_held() if self.loaded else self.expected


@dataclass(frozen=True)
class Wanted:
    """What a job needs loaded. ``expected`` bytes are made room for; once loaded the measured bytes count. ``parts``
    are the other models it needs, by the part each of them is.

    ``report`` is told as the load proceeds and may give the device away; ``wait`` waits, without the device, for
    somebody else's load of the same model.
    """

    kind: str
    model: str
    make: type[Pipeline]
    weights: Path | None
    expected: int
    report: Report
    wait: Callable[[threading.Event], None]
    parts: Mapping[str, Path] = field(default_factory=dict)


class Ledger:
    """Loads, lends and evicts pipelines within ``budget`` bytes.

    The lock guards the table only and is never held while a model loads: a load gives its turn away in between, and
    whoever gets the turn may come here.
    """

    def __init__(self, device: Device, budget: int) -> None:
        self._device = device
        self.budget = budget
        self._lock = threading.RLock()
        self._residents: dict[tuple[str, str], Resident] = {}
        self._numbers = itertools.count(1)
        #: bytes to make room for, by kind and model: what the catalogue says, or what was measured where that is more
        self._measured: dict[tuple[str, str], int] = {}
        self._modules = 0

    @contextmanager
    def lend(self, wanted: Wanted) -> Iterator[Pipeline]:
        """The wanted pipeline, loaded if need be, kept in memory while the block runs.

        A pipeline that is not ``shareable``, or has no weights, is made for this job alone and goes with it.
        """
        alone = wanted.weights is None or not wanted.make.shareable
        resident = self._obtain(wanted, f"#{next(self._numbers)}" if alone else "")
        try:
            yield resident.pipeline
        finally:
            with self._lock:
                resident.users -= 1
                resident.used_at = time.monotonic()
            if alone:
                self._drop(resident)

    def _obtain(self, wanted: Wanted, suffix: str) -> Resident:
        key = (wanted.kind, wanted.model + suffix)
        while True:
            with self._lock:
                resident = self._residents.get(key)
                ours = resident is None
                if resident is None:
                    if not self._residents:
                        self._set_imports_aside()
                    expected = self._measured.get((wanted.kind, wanted.model), wanted.expected)
                    self._make_room(wanted.model, expected)
                    resident = self._residents[key] = Resident(key, wanted.make(), expected)
                if ours or resident.loaded:
                    resident.users += 1
            if ours:
                return self._load(resident, wanted)
            if resident.loaded:
                return resident
            wanted.wait(resident.settled)  # then look again: the other's load may have failed

    def _load(self, resident: Resident, wanted: Wanted) -> Resident:
        try:
            resident.pipeline.parts = wanted.parts
            resident.pipeline.load(wanted.weights, self._device, wanted.report)
        except BaseException:
            self._drop(resident)
            raise
        else:
            resident.loaded = True
            self._measured[wanted.kind, wanted.model] = max(wanted.expected, resident.bytes)
            return resident
        finally:
            resident.settled.set()

    def used(self) -> int:
        """Measured bytes of everything that is loaded."""
        with self._lock:
            return sum(resident.bytes for resident in self._residents.values())

    def listing(self) -> tuple[tuple[str, int], ...]:
        """(model, bytes) of what is loaded, most recently used first."""
        with self._lock:
            found = sorted(self._residents.values(), key=lambda resident: -resident.used_at)
            return tuple((one.key[1].split("#")[0] or one.key[0], one.bytes) for one in found if one.bytes)

    def evict_idle(self, model: str | None = None) -> int:
        """Drops everything nobody uses, or just ``model``; returns the bytes that became free."""
        with self._lock:  # off the table at once, so that nobody is lent what is about to go
            idle = [one for one in self._residents.values() if not one.users and model in (None, one.key[1])]
            freed = sum(resident.bytes for resident in idle)
            for resident in idle:
                del self._residents[resident.key]
        for resident in idle:
            self._drop(resident)
        return freed

    def _make_room(self, model: str, expected: int) -> None:
        """Evicts the least recently used idle ones until ``expected`` bytes fit."""
        idle = sorted((one for one in self._residents.values() if not one.users), key=lambda one: one.used_at)
        while self.used() + expected > self.budget and idle:
            self._drop(idle.pop(0))
        free = self.budget - self.used()
        if expected > free:
            raise StudioError(
                "memory.model",
                "{model} needs about {need} MB of memory; {free} MB of {total} MB are free now. Wait until what runs "
                "has ended, or choose a smaller model.",
                model=model or "This",
                need=expected // 1_000_000,
                free=max(0, free) // 1_000_000,
                total=self.budget // 1_000_000,
            )

    def _drop(self, resident: Resident) -> None:
        with self._lock:
            if self._residents.get(resident.key) is resident:
                del self._residents[resident.key]
        resident.pipeline.unload()
        self.collect()

    def _set_imports_aside(self) -> None:
        """What is imported stays for good. Looking through it whenever a model goes takes half a second each time."""
        if len(sys.modules) != self._modules:
            gc.collect()
            gc.freeze()
            self._modules = len(sys.modules)

    def collect(self) -> None:
        """Returns what was freed to the device."""
        gc.collect()
        if self._device.kind == "cuda":
            import torch

            torch.cuda.empty_cache()
