"""A job and its numbered events, as plain values: what the page, the API and the engine hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.errors import Busy, StudioError

State = Literal["queued", "running", "paused", "done", "failed", "cancelled", "interrupted"]

LIVE: frozenset[str] = frozenset({"queued", "running", "paused"})
ENDED: frozenset[str] = frozenset({"done", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True)
class ErrorSentence:
    """Why a job ended badly, kept so that it can be said in any language later."""

    key: str
    sentence: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)

    @classmethod
    def of(cls, error: StudioError) -> ErrorSentence:
        return cls(error.key, error.sentence, dict(error.values))

    def as_error(self) -> StudioError:
        return StudioError(self.key, self.sentence, **self.values)

    def json(self) -> dict[str, Any]:
        return {"key": self.key, "sentence": self.sentence, "values": dict(self.values), "text": str(self.as_error())}


@dataclass(frozen=True)
class Job:
    """One thing a person asked for. Times are seconds since 1970; ``device_seconds`` counts all attempts."""

    id: str
    owner: str
    kind: str
    request: Mapping[str, Any]
    model: str
    seed: int
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    device_seconds: float = 0.0
    attempt: int = 1
    error: ErrorSentence | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: ends once nobody follows it; otherwise it goes on whoever leaves
    ends_with_page: bool = False
    #: where it runs or ran last; empty before
    device: str = ""

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def json(self) -> dict[str, Any]:
        """For the API: everything but the owner."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "model": self.model,
            "seed": self.seed,
            "request": dict(self.request),
            "created": self.created,
            "started": self.started,
            "ended": self.ended,
            "device_seconds": round(self.device_seconds, 3),
            "attempt": self.attempt,
            "error": None if self.error is None else self.error.json(),
            "facts": dict(self.facts),
            "ends_with_page": self.ends_with_page,
        }


@dataclass(frozen=True)
class Numbered:
    """One event of a job, ready for JSON. ``seq`` counts from 1 within the job and never goes back."""

    seq: int
    at: float
    kind: str
    data: Mapping[str, Any]

    def json(self) -> dict[str, Any]:
        return {"seq": self.seq, "at": self.at, "kind": self.kind, "data": dict(self.data)}


@dataclass(frozen=True)
class Place:
    """Where a waiting job stands: ``position`` 1 is next. ``ahead_seconds`` None: nothing to judge it by yet.

    ``held`` says which cap keeps it waiting and when that frees it; None where it waits for its turn only.
    """

    position: int
    ahead_seconds: float | None
    held: Busy | None = None


class NotFound(StudioError):  # noqa: N818 - the field's word
    """The job does not exist, or is somebody else's; the two are not told apart."""

    def __init__(self, job_id: str) -> None:
        super().__init__("job.unknown", "There is no job {job} of yours.", job=job_id[:40] or "''")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self.values["job"]),)


__all__ = ["ENDED", "LIVE", "Busy", "ErrorSentence", "Job", "NotFound", "Numbered", "Place", "State"]
