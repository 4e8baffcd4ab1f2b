"""Where the engine lives: in this process (tests), or in a supervised process of its own (the default)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from studio.engine.messages import Message, Order


@dataclass(frozen=True)
class Loss:
    """Why an engine died: it ended by itself, the system killed it, or it hung and we did.

    ``reason`` is the exit code or signal in words, or for how many seconds there was no sign of life.
    """

    cause: Literal["ended", "killed", "hung"]
    reason: str


class Host(Protocol):
    """An engine somewhere. ``receive`` gets every message, from a thread of the host's."""

    #: starting, ready, restarting or closed
    state: str

    def start(self, receive: Callable[[Message], None], lost: Callable[[Loss], None]) -> None:
        """Starts the engine. ``lost`` is told, with the reason, that the engine died and every job in it with it."""

    def order(self, order: Order) -> None:
        """Passes an order on. Orders given while no engine is there are dropped: the jobs they name were lost."""

    def close(self) -> None:
        """Ends the engine and whatever runs in it."""
