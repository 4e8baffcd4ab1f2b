"""Where the engine lives: in this process (tests), or in a supervised process of its own (the default)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from studio.engine.messages import Message, Order


class Host(Protocol):
    """An engine somewhere. ``receive`` gets every message, from a thread of the host's."""

    #: starting, ready, restarting or closed
    state: str

    def start(self, receive: Callable[[Message], None], lost: Callable[[str], None]) -> None:
        """Starts the engine. ``lost`` is told, with the reason, that the engine died and every job in it with it."""

    def order(self, order: Order) -> None:
        """Passes an order on. Orders given while no engine is there are dropped: the jobs they name were lost."""

    def close(self) -> None:
        """Ends the engine and whatever runs in it."""
