"""The engine in this very process: for tests, and for tools that need no page."""

from __future__ import annotations

from collections.abc import Callable

from studio.engine.hosts import Loss
from studio.engine.messages import Message, Order
from studio.engine.options import EngineOptions


class InlineHost:
    """A ``Host`` without a process of its own. It cannot be lost: it dies with us."""

    outlives = False

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self.state = "starting"

    def start(self, receive: Callable[[Message], None], lost: Callable[[Loss], None]) -> None:  # noqa: ARG002
        from studio.engine.local import LocalEngine  # brings torch in

        self._engine = LocalEngine(self._options, receive)
        self._engine.start()
        self.state = "ready"

    def order(self, order: Order) -> None:
        self._engine.order(order)

    def acknowledge(self, number: int) -> None:
        """There is nothing to acknowledge: the engine goes with us and numbers nothing."""

    def close(self) -> None:
        if self.state == "ready":
            self._engine.close()
        self.state = "closed"
