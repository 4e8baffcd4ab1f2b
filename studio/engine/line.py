"""Who of the waiting jobs goes next, and how long that may take: deciding alone, on plain numbers.

Knows owners' charges in device seconds and which jobs find their model loaded. Does not know rows, hosts or clocks.
Between people the least device time lately goes first; each job that goes raises its owner's charge by what it is
expected to take, so somebody with eight jobs in the line has one go, and then it is somebody else's turn.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Waiting:
    """A job in the line. ``expected`` device seconds; ``loaded``: it needs no model, or finds it in memory."""

    job_id: str
    owner: str
    created: float
    expected: float
    loaded: bool


def order(line: Iterable[Waiting], charges: Mapping[str, float]) -> list[Waiting]:
    """The line in the order in which it would go, were models of no account. One owner's jobs go as they came."""
    own: dict[str, deque[Waiting]] = {}
    for one in sorted(line, key=lambda one: (one.created, one.job_id)):
        own.setdefault(one.owner, deque()).append(one)
    heads = [(charges.get(owner, 0.0), jobs[0].created, owner) for owner, jobs in own.items()]
    heapq.heapify(heads)
    ordered = []
    while heads:
        charge, _, owner = heapq.heappop(heads)
        gone = own[owner].popleft()
        ordered.append(gone)
        if own[owner]:
            heapq.heappush(heads, (charge + gone.expected, own[owner][0].created, owner))
    return ordered


def choose(ordered: Sequence[Waiting], passed: MutableMapping[str, float], credit: float) -> Waiting:
    """The next of a line that is not empty: the first, or a later one that saves loading a model.

    What goes before a fairer job because of that is written down against it in ``passed``, and no job lets more than
    ``credit`` device seconds pass in all its time in the line.
    """
    ahead: list[Waiting] = []
    for one in ordered:
        if one.loaded:
            break
        ahead.append(one)
    else:
        return ordered[0]
    if any(passed.get(fairer.job_id, 0.0) + one.expected > credit for fairer in ahead):
        return ordered[0]
    for fairer in ahead:
        passed[fairer.job_id] = passed.get(fairer.job_id, 0.0) + one.expected
    return one


def work_before(running: Iterable[float], line: Iterable[float], places: int) -> Iterator[float]:
    """Device seconds of work until each of a ``line`` begins while others are ``running``; last, until one more does.

    Those in a place share the device evenly; whoever ends makes room for the next.
    """
    inside = list(running)
    heapq.heapify(inside)
    done = each = 0.0  # work done, and how much of it fell to each that was there all the time
    for expected in chain(line, (None,)):
        while len(inside) >= places:
            least = heapq.heappop(inside)
            done, each = done + (least - each) * (len(inside) + 1), least
        yield done
        if expected is not None:
            heapq.heappush(inside, each + expected)


def seconds_for(work: float, rivals: float, share: float) -> float | None:
    """How long ``work`` device seconds take a class that keeps ``share`` of the device while ``rivals`` last.

    ``rivals`` are the device seconds that the other class has before it. None where nothing can be said: it gets
    nothing until they are over, and nobody knows when that is.
    """
    if rivals <= 0 or work <= 0:
        return work
    if share <= 0:
        return None if rivals == float("inf") else work + rivals
    if share >= 1:
        return work
    together = rivals / (1 - share)
    return work / share if work <= share * together else work + rivals
