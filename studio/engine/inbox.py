"""What an engine far away is told, over calls that may overtake each other or be lost: once, in the order of saying.

Knows orders. Does not know what carries the calls. Each call brings all orders that are not known to have come, the
oldest first, so that one that overtakes another brings what that one had, and one that is lost costs nothing.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterable

from studio.engine.messages import Order


class Unconfirmed:
    """Whoever speaks keeps its orders here until they are known to have come. From any thread."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._last = 0
        self._kept: deque[tuple[int, Order]] = deque()

    def add(self, order: Order) -> list[tuple[int, Order]]:
        """Takes an order; gives what a call is to bring. Numbers count from 1."""
        with self._lock:
            self._last += 1
            self._kept.append((self._last, order))
            return list(self._kept)

    def confirm(self, number: int) -> None:
        """Everything up to ``number`` has come."""
        with self._lock:
            while self._kept and self._kept[0][0] <= number:
                self._kept.popleft()

    @property
    def waiting(self) -> list[tuple[int, Order]]:
        """What is not known to have come."""
        with self._lock:
            return list(self._kept)


class Inbox:
    """The engine's end. In one thread."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}  # up to which order, by who said it

    def take(self, sender: str, orders: Iterable[tuple[int, Order]]) -> list[Order]:
        """Those that are new, in order."""
        new = [(number, order) for number, order in orders if number > self.last(sender)]
        if new:
            self._taken[sender] = new[-1][0]
        return [order for _, order in new]

    def last(self, sender: str) -> int:
        """The number of the last order that came from ``sender``, 0 before the first."""
        return self._taken.get(sender, 0)
