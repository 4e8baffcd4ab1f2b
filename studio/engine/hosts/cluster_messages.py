"""What the web process and the process that is connected to Ray for it say to each other: plain, frozen, picklable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from studio.engine.hosts import Demand, Loss, Notice
from studio.engine.job import ErrorSentence
from studio.engine.messages import Marked, Message, Order
from studio.engine.options import EngineOptions


@dataclass(frozen=True)
class ClusterOptions:
    """Where the cluster is and how it grows (see ``Settings``); ``namespace`` is that of our actors."""

    address: str
    namespace: str
    engine: EngineOptions
    build: str
    hang_seconds: float = 0
    most: int = 0
    least: int = 1
    idle_seconds: float = 300.0


# ------------------------------------------------------------------------- to the one that is connected


@dataclass(frozen=True)
class Begin:
    """Tell from now on which devices there are. ``given_up`` are lives of engines whose jobs went elsewhere."""

    given_up: frozenset[str]


@dataclass(frozen=True)
class Give:
    """An order for an engine."""

    name: str
    order: Order


@dataclass(frozen=True)
class Acknowledge:
    """Every numbered message of an engine up to this one is written down."""

    name: str
    number: int


@dataclass(frozen=True)
class Answer:
    """To the ``Question`` of that number."""

    number: int
    value: Demand | bool


@dataclass(frozen=True)
class Leave:
    """Listen no more, and go. What runs goes on."""


Down: TypeAlias = Begin | Give | Acknowledge | Answer | Leave

# --------------------------------------------------------------------------------- from it, see ``Members``


@dataclass(frozen=True)
class Connected:
    """The cluster answers, its head being at this address."""

    head: str


@dataclass(frozen=True)
class Refused:
    """It does not, or not to us."""

    why: ErrorSentence


@dataclass(frozen=True)
class Joined:
    name: str
    node: str


@dataclass(frozen=True)
class Leaving:
    name: str
    on: bool


@dataclass(frozen=True)
class Parted:
    name: str


@dataclass(frozen=True)
class Begun:
    """Every engine that was running when we began has said what it has."""


@dataclass(frozen=True)
class Said:
    """A message of an engine."""

    name: str
    message: Message | Marked


@dataclass(frozen=True)
class Lost:
    """An engine died."""

    name: str
    loss: Loss


@dataclass(frozen=True)
class Noticed:
    """What everybody should know of the cluster."""

    notice: Notice


@dataclass(frozen=True)
class Question:
    """What a larger cluster would be of use for, or whether a device that has been idle for ``seconds`` may go."""

    number: int
    what: Literal["demand", "retire"]
    name: str = ""
    seconds: float = 0.0


Up: TypeAlias = Connected | Refused | Joined | Leaving | Parted | Begun | Said | Lost | Noticed | Question
