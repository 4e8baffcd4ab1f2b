"""Notices of new events from the process that leads to those that do not: whose they are, and most of them the events.

Knows how many bytes PostgreSQL takes in a notice, and that they come in the order in which they were written. Of a job
that a notice names it carries all events of a group or none; who needs one that was not carried reads it from the
database, which always has it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from studio.engine.job import Numbered

#: PostgreSQL takes less than 8000
BYTES = 7900
#: newest events of a followed job that are kept
KEPT = 500


def pack(by: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A group of events, as rows in the order of writing, as notices ``BY JOB JOB...`` and, in a second line, what is
    carried as JSON. ASCII, so that bytes are characters."""
    of: dict[str, list[str]] = {}
    for row in rows:
        plain = [row["job_id"], row["seq"], row["at"], row["kind"], row["data"]]
        of.setdefault(row["job_id"], []).append(json.dumps(plain, separators=(",", ":")))
    names, carried, used = [by], list[str](), len(by)
    for job_id, events in of.items():
        size = sum(map(len, events)) + len(events)
        if len(by) + len(job_id) + size + 4 > BYTES:
            events, size = [], 0
        if used + len(job_id) + size + 4 > BYTES:
            yield _words(names, carried)
            names, carried, used = [by], [], len(by)
        names.append(job_id)
        carried += events
        used += len(job_id) + 1 + size
    yield _words(names, carried)


def _words(names: Sequence[str], carried: Sequence[str]) -> str:
    return " ".join(names) + (f"\n[{','.join(carried)}]" if carried else "")


def unpack(words: str, followed: Container[str]) -> tuple[str, dict[str, list[Numbered]]]:
    """Who wrote them, and of each job that has new events and is ``followed`` those that are carried. What nobody here
    follows, as most of it, is not even read."""
    names, _, carried = words.partition("\n")
    by, *jobs = names.split()
    of: dict[str, list[Numbered]] = {job_id: [] for job_id in jobs if job_id in followed}
    for job_id, *event in json.loads(carried) if carried and of else ():
        if job_id in of:
            of[job_id].append(Numbered(*event))
    return by, of


class Told:
    """What notices said of jobs that somebody follows here: of each an unbroken run of its newest events."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Numbered]] = {}

    def take(self, job_id: str, events: Sequence[Numbered]) -> None:
        """A notice that the job has new events; none where they are to be read from the database."""
        run = self._of.get(job_id)
        if not events:
            self.forget(job_id)
        elif run is None or events[0].seq > run[-1].seq + 1:  # some were not told
            self._of[job_id] = deque(events, maxlen=KEPT)
        else:
            run.extend(event for event in events if event.seq > run[-1].seq)

    def after(self, job_id: str, after: int, limit: int) -> list[Numbered] | None:
        """Events above ``after`` as far as they were told; None where the database must be asked."""
        run = self._of.get(job_id)
        if not run or run[0].seq > after + 1:
            return None
        return [event for event in run if event.seq > after][:limit]

    def forget(self, job_id: str) -> None:
        self._of.pop(job_id, None)

    def clear(self) -> None:
        """Notices may have been missed."""
        self._of.clear()
