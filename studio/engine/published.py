"""What whoever leads knows and the other processes show: the engine's status, the queue's places, who used what.

Knows how to lay that down as one row and to read it again. What it says is about a second old.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from pipelines.errors import Busy
from studio.engine.dispatch import Dispatch
from studio.engine.job import Place
from studio.engine.status import EngineStatus
from studio.store.database import Database, insert
from studio.store.tables import PublishedRow

_ROW = 1
#: how long what was read is good for, and after how long without a word whoever leads is taken to be gone
FRESH, SILENT = 0.3, 5.0


@dataclass(frozen=True)
class HeldBack:
    """A refusal as plain values."""

    key: str
    sentence: str
    values: dict[str, str | int | float]


@dataclass(frozen=True)
class Known:
    """``places`` of queued jobs: which, in how many seconds, and the cap that holds it. ``seconds``: device seconds of
    jobs that run. ``unwritten``: owner, model and device seconds that no row says yet."""

    status: EngineStatus
    places: dict[str, tuple[int, float | None, HeldBack | None]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    unwritten: list[tuple[str, str, float]] = field(default_factory=list)

    def place(self, job_id: str) -> Place | None:
        """Where a job stood; None where it was not queued."""
        if job_id not in self.places:
            return None
        position, ahead, held = self.places[job_id]
        return Place(position, ahead, None if held is None else Busy(held.key, held.sentence, **held.values))


_PLAIN = TypeAdapter(Known)
NOBODY = Known(EngineStatus("restarting", "", "", "", 0, 0, (), (), 0))


def known_to(dispatch: Dispatch) -> Known:
    """All of it, as it is now."""
    places = {}
    for job_id, place in dispatch.places().items():
        held = place.held
        said = None if held is None else HeldBack(held.key, held.sentence, dict(held.values))
        places[job_id] = (place.position, place.ahead_seconds, said)
    return Known(dispatch.status(), places, dispatch.running_seconds(), dispatch.unwritten())


class Published:
    """``publish`` where we lead, ``read`` where somebody else does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read: Known = NOBODY
        self._read_at = -FRESH

    def publish(self, known: Known) -> None:
        row: dict[str, Any] = {"id": _ROW, "at": time.time(), "value": _PLAIN.dump_python(known, mode="json")}
        with self._database.write() as session:
            added = insert(session, PublishedRow).values(row)
            session.execute(added.on_conflict_do_update(index_elements=["id"], set_=row))

    def read(self) -> Known:
        """The last that was published; without a worker where nobody has said anything for a while."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH:
                self._read, self._read_at = self._found(), time.monotonic()
            return self._read

    def _found(self) -> Known:
        with self._database.read() as session:
            row = session.get(PublishedRow, _ROW)
        if row is None:
            return NOBODY
        known = _PLAIN.validate_python(row.value)
        if time.time() - row.at > SILENT:
            known = replace(known, status=replace(known.status, worker="restarting"))
        return known
