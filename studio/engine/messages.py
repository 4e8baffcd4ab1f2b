"""What travels between the job service and an engine, whatever host it runs in: plain, frozen, picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipelines.base import Scalar
from pipelines.moderation import Policy
from studio.engine.job import ErrorSentence
from studio.library.made import Made

# ------------------------------------------------------------------------------ to the engine


@dataclass(frozen=True)
class Run:
    """Run this job. ``device_seconds`` were used by earlier attempts; the workspace may hold a checkpoint of them."""

    job_id: str
    owner: str
    kind: str
    request: Mapping[str, Any]
    device_seconds: float = 0.0
    #: what is to be looked at for this person before it is shown
    policy: Policy | None = None


@dataclass(frozen=True)
class Tell:
    """Something a person wants of one job: cancel, finish (end early, keep what is there), pause or resume.

    And what the studio wants of one: to interrupt it, so that it can go on later.
    """

    job_id: str
    what: str


@dataclass(frozen=True)
class Steer:
    """Settings of a running job that a person has changed, or what it is to do once; its request has let them pass."""

    job_id: str
    changes: Mapping[str, Scalar]


@dataclass(frozen=True)
class Unload:
    """Take this model out of memory, if nobody uses it."""

    model: str


@dataclass(frozen=True)
class Close:
    """Stop everything and go; jobs that run are left interrupted."""


Order: TypeAlias = Run | Tell | Steer | Unload | Close

# ---------------------------------------------------------------------------- from the engine


@dataclass(frozen=True)
class Ready:
    """The engine is up. ``device`` is its name, ``reason`` why it was chosen."""

    device: str
    kind: str
    dtype: str
    reason: str
    memory_total: int
    threads: int


@dataclass(frozen=True)
class Emitted:
    """An event of a job, pictures already written to its workspace."""

    job_id: str
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Turned:
    """The job is now running or paused."""

    job_id: str
    state: str


@dataclass(frozen=True)
class Added:
    """Some of what the job makes is finished and safe on disk, while the rest is still under way."""

    job_id: str
    made: tuple[Made, ...]


@dataclass(frozen=True)
class Ended:
    """The job is over: done, failed, cancelled or interrupted. What it made, and was not added before, is on disk."""

    job_id: str
    state: str
    device_seconds: float
    made: tuple[Made, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: ErrorSentence | None = None


@dataclass(frozen=True)
class Vitals:
    """Sent about once a second, whatever happens: memory, models, device seconds by live job.

    ``beats`` counts steps: it stands still while ``holder`` takes none.
    """

    memory_used: int
    resident: tuple[tuple[str, int], ...]
    holder: str | None
    device_seconds: Mapping[str, float]
    beats: int = 0


@dataclass(frozen=True)
class Attached:
    """An engine that outlives whoever listens is heard from now on, in this life of it under the name ``source``.

    ``jobs`` are those it has, or whose end it has not been told to be written down.
    """

    source: str
    jobs: tuple[str, ...]
    #: of which code it is (see ``version``); empty where it is older than that word
    build: str = ""


Message: TypeAlias = Ready | Emitted | Turned | Added | Ended | Vitals | Attached


@dataclass(frozen=True)
class Marked:
    """A message of such an engine with its number, from 1 on."""

    source: str
    number: int
    message: Message
