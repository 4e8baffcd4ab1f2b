"""The contract between a model and whatever runs it.

A pipeline is an object on a device: ``load`` -> ``run(request, turn)`` yields events -> ``unload``. Requests are
validated before anything is loaded. Events are few, typed, plain and picklable. This module knows neither torch
nor the engine: the same pipeline runs in this process, in a worker or on a cluster.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.fields import without_nul

Scalar: TypeAlias = str | int | float | bool

#: the folder in a job's workspace for what only a further attempt needs, such as large checkpoints
ATTEMPT = "attempt"


class Cancelled(Exception):  # noqa: N818 - it is a request of the person, not a fault
    """Raised inside ``turn.checkpoint()`` when this job, and only this job, was cancelled or interrupted."""


# --------------------------------------------------------------------------------------------- requests


class Request(BaseModel):
    """What a person asks of one pipeline: frozen, typed, complete enough to be run again.

    Files are named by the sha256 of their bytes, never by a path; ``files()`` lists them.
    ``model`` is a catalogue name or a hub id (``owner/name``); empty means the task's default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Builds the request or raises a ``StudioError`` that names the field, the rule and the value. NUL characters
        are left out."""
        try:
            return cls.model_validate(without_nul(dict(values)))
        except ValidationError as error:
            raise _sentence(error) from None

    def files(self) -> tuple[str, ...]:
        """sha256 names of the input files this request needs."""
        return ()

    def title(self) -> str:
        """A short name for what will be made, in the person's own words where there are any."""
        return type(self).__name__.removesuffix("Request")

    def steering(self, changes: Mapping[str, Any]) -> dict[str, Scalar]:
        """``changes`` as a running job of this request can take them. Raises ``StudioError`` for what it cannot."""
        del changes
        raise StudioError(
            "steer.kind", "Only the training of a GAN or a VAE can be steered; this is {thing}.", thing=self.title()
        )


def _sentence(error: ValidationError) -> StudioError:
    """The first broken rule of a pydantic report as a sentence with the rule and the value."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "request"
    value = _shown(first["input"])
    rules = first.get("ctx", {})
    match first["type"]:
        case "greater_than_equal":
            limit = rules["ge"]
            return StudioError(
                "rule.least",
                "{field} must be at least {limit}; you gave {value}.",
                field=name,
                limit=limit,
                value=value,
            )
        case "greater_than":
            limit = rules["gt"]
            return StudioError(
                "rule.more",
                "{field} must be more than {limit}; you gave {value}.",
                field=name,
                limit=limit,
                value=value,
            )
        case "less_than_equal" | "less_than":
            limit = rules["le"] if "le" in rules else rules["lt"]
            return StudioError(
                "rule.most", "{field} must be at most {limit}; you gave {value}.", field=name, limit=limit, value=value
            )
        case "multiple_of":
            return StudioError(
                "rule.multiple",
                "{field} must be a multiple of {step}; you gave {value}.",
                field=name,
                step=rules["multiple_of"],
                value=value,
            )
        case "finite_number":
            return StudioError("rule.finite", "{field} must be a number, not {value}.", field=name, value=value)
        case "literal_error" | "enum":
            return StudioError(
                "rule.choice",
                "{field} must be one of {choices}; you gave {value}.",
                field=name,
                choices=str(rules["expected"]),
                value=value,
            )
        case "missing":
            return StudioError("rule.missing", "{field} is needed and was not given.", field=name)
        case "extra_forbidden":
            return StudioError("rule.unknown", "There is no setting named {field}.", field=name)
        case "string_too_long":
            return StudioError(
                "rule.long",
                "{field} may have at most {limit} characters; yours has {value}.",
                field=name,
                limit=rules["max_length"],
                value=len(first["input"]),
            )
        case "string_too_short" | "too_short":
            return StudioError("rule.empty", "{field} is empty; write something first.", field=name)
        case "too_long":
            return StudioError(
                "rule.many",
                "{field} may have at most {limit} entries; yours has {value}.",
                field=name,
                limit=rules["max_length"],
                value=rules["actual_length"],
            )
        case _:
            return StudioError(
                "rule.type", "{field} cannot be {value}: {reason}.", field=name, value=value, reason=str(first["msg"])
            )


def _shown(value: object, limit: int = 60) -> str:
    text = str(value) if not isinstance(value, float) or math.isfinite(value) else str(value).upper()
    return text if len(text) <= limit else text[: limit - 1] + "…"


# ----------------------------------------------------------------------------------------------- events


@dataclass(frozen=True)
class Picture:
    """An encoded picture on its way to a person (WebP for previews, PNG for results)."""

    data: bytes
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class Progress:
    """How far ``stage`` has come. ``total`` None: unknown. ``unit``: step, token, byte, picture, second or empty.

    Stages are words the application translates: waiting, fetching, verifying, converting, loading, generating,
    denoising, decoding, painting, reading, training, saving.
    """

    stage: str
    done: float = 0
    total: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Token:
    """New text since the last one; ``count`` tokens so far at ``rate`` tokens per second."""

    text: str
    count: int
    rate: float


@dataclass(frozen=True)
class Preview:
    """What the picture looks like after ``step`` of ``total``."""

    step: int
    total: int
    picture: Picture


@dataclass(frozen=True)
class Metrics:
    """Measured values since the last one: ``series[name][i]`` belongs to ``steps[i]`` and ``seconds[i]``.

    ``seconds`` is device time since the training began (pauses and waits do not count). A first step at or below
    one already reported means that the training went back there (a resume, a rollback): later points are void.
    ``rate`` is steps per second, ``left`` the estimated seconds to the end, None where unknown.
    """

    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    series: Mapping[str, tuple[float, ...]]
    rate: float
    left: float | None = None


@dataclass(frozen=True)
class Mark:
    """Something worth a mark on the curves at ``step``: a change a person made, a rollback, a rate halved.

    ``text`` says it in English; ``key`` names the sentence for translators and ``values`` fill its fields.
    """

    step: int
    seconds: float
    text: str
    key: str = ""
    values: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Steered:
    """What may be changed while the job runs stands at ``values`` now, by field of its request."""

    values: Mapping[str, Scalar]


@dataclass(frozen=True)
class Diagnosis:
    """What is going on after ``step``, in words; all of it, so that what was said before is void.

    Each of ``findings`` has a ``key``, a ``severity`` (quiet, good, note or warning), ``title`` and ``text`` in
    English, the ``values`` that fill the sentence of that key, and ``fixes``, each with ``key``, ``text``, ``values``
    and ``changes``: new values by field of the request, which the job can be steered to.
    """

    step: int
    seconds: float
    findings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Sample:
    """The sample grid drawn from the same noise each time, after ``step``.

    ``captions`` say what each picture of it shall show, row by row, where it was told anything.
    """

    step: int
    picture: Picture
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """One finished thing. ``data`` in ``media_type``; ``name`` is a file name without folders, unlike any other of its
    job. ``settings``: those of the request that are others for this one alone, so that its recipe makes it again.
    """

    name: str
    media_type: str
    data: bytes
    title: str = ""
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """Finished things that stay, whatever becomes of the rest of the job. The ``Result`` has them too."""

    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class Result:
    """The end of a job: what was made, and what is worth knowing of how (seed, tokens per second, model hash)."""

    artifacts: tuple[Artifact, ...]
    facts: Mapping[str, Scalar] = field(default_factory=dict)


Event: TypeAlias = Progress | Token | Preview | Metrics | Mark | Steered | Diagnosis | Sample | Kept | Result


# ------------------------------------------------------------------------------------------------ turns


class Turn(Protocol):
    """A job's hold on the device, handed to ``run``.

    Call ``checkpoint()`` after each token, denoising step or training step: others may go there, this job may be
    paused there, and a cancel is raised there. Between two calls the device belongs to this job alone.
    """

    @property
    def device_seconds(self) -> float:
        """Seconds this job has held the device so far, over all its attempts."""

    @property
    def finishing(self) -> bool:
        """True once the person asked to end early and keep what is there. Pipelines look at it after each step."""

    @property
    def called(self) -> bool:
        """True where the person wants this job to stop or to rest. May be asked while the device is lent out."""

    @property
    def interrupted(self) -> bool:
        """True once this job has to end for now and may go on later. The ``Cancelled`` that tells it so finds it with
        the device in hand, to save what the last checkpoint does not have before letting that through."""

    @property
    def workspace(self) -> Path:
        """A folder of this job that survives a restart. Checkpoints go here, written beside and renamed.

        Whatever lies in ``workspace / ATTEMPT`` goes once the job cannot be resumed any more.
        """

    def saved(self) -> None:
        """Says that ``workspace`` holds all that a further attempt needs. Once this returns that attempt may run on
        another machine. Takes its time where several share files, so it is called ``aside()``, or as the last thing."""

    @property
    def room(self) -> int:
        """Bytes that may lie in ``workspace`` for a person to come back to, beyond what the next attempt needs."""

    def checkpoint(self) -> None:
        """Gives way where someone else should go; waits while paused; raises ``Cancelled``."""

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        """What a person has changed since the last call, oldest first, as the request's ``steering`` let it through.

        Whoever heeds it looks after each ``checkpoint()``, which for this lets even a paused job through, and calls
        that again before going on. Others need not look.
        """

    def aside(self) -> AbstractContextManager[None]:
        """Lends the device to others during work that does not need it (encoding a preview, writing a file)."""

    def share(self, others: Sequence[Turn]) -> None:
        """What this job computes serves ``others`` as well: from now on its device seconds are divided evenly among
        them and it, until this is called again."""

    def end(self) -> None:
        """The device is not needed any more: what is left is to tell of the result. Nothing else of this comes after,
        and an ``aside()`` that is open does not take the device back."""

    def read(self, digest: str) -> bytes:
        """The input file the request names by its sha256."""


class Report(Protocol):
    """Told how far a load has come; the engine turns it into ``Progress`` events."""

    def __call__(self, stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None: ...


# -------------------------------------------------------------------------------------------- pipelines


class Pipeline(ABC):
    """A model on a device. One instance serves one request at a time; the engine sees to that."""

    #: requests of one instance may run interleaved in several threads (each ``run`` keeps its state to itself)
    shareable: ClassVar[bool] = False
    #: where the other models lie that this one needs, by the part each of them is; given before ``load``
    parts: Mapping[str, Path] = MappingProxyType({})

    @abstractmethod
    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Reads ``weights`` (a folder or file the catalogue has verified; None where the task has none).

        Raises ``StudioError`` where the folder holds something that will not be read (a pickle, a wrong class).
        """

    @abstractmethod
    def run(self, request: Any, turn: Turn) -> Iterator[Event]:
        """Yields events, the last a ``Result``. Never yields a tensor. Raises ``StudioError`` or ``Cancelled``."""

    @abstractmethod
    def unload(self) -> None:
        """Drops every tensor, so that the ledger may count the bytes as free."""

    def bytes_held(self) -> int:
        """Bytes of parameters and buffers on the device, measured, not estimated."""
        return 0
