"""What is said to one life of an engine in an actor.

Knows the actor's calls, which Ray begins in whatever order they come (it does so for all asynchronous actors), and
what the engine is called in this life. What it says is for ``ray_host``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from ray.exceptions import RayError

from studio.engine.inbox import Unconfirmed
from studio.engine.messages import Order

log = logging.getLogger(__name__)


class RayLine:
    """From any thread; nothing waits for the actor."""

    def __init__(self, actor: Any, source: str) -> None:
        self._actor = actor
        self._source = source
        self._orders = Unconfirmed()

    def order(self, order: Order) -> None:
        self._send(self._orders.add(order))

    def acknowledge(self, number: int) -> None:
        """Everything that it said up to ``number`` is written down. Comes about once a second, which brings along what
        a call that was lost had to say."""
        self._actor.acknowledge.remote(self._source, number)
        if waiting := self._orders.waiting:
            self._send(waiting)

    def _send(self, orders: Sequence[tuple[int, Order]]) -> None:
        call = self._actor.order.remote(self._source, self._orders.name, orders)
        call.future().add_done_callback(self._came)

    def _came(self, answer: Future[int]) -> None:
        try:
            self._orders.confirm(answer.result())
        except RayError as error:  # said again in a second, unless the engine is lost
            log.info("an order did not come: %s", type(error).__name__)
