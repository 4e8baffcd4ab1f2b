"""What people want done of jobs, written down by the process they asked and seen to by the one that leads.

Knows the table of orders and how to wait for an answer. An order that nobody leads to see to at this moment is kept,
and taken by whoever leads next. Does not know what any of them means.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from studio.store.database import Database
from studio.store.tables import OrderRow

log = logging.getLogger(__name__)

#: notices of new orders, and of those that were seen to
ASKED, TAKEN = "orders", "taken"
#: how long a person waits for the answer of whoever leads, which takes some hundredths of a second
PATIENCE = 1.5
#: an order is of no use to anybody after so long
FORGOTTEN = 600.0


@dataclass(frozen=True)
class Order:
    """``what`` is to be done, of a job or of none, with its particulars as plain JSON."""

    id: int
    what: str
    job_id: str | None
    data: Mapping[str, Any]


class Orders:
    """``ask`` at one process, ``take`` at the one that leads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, threading.Event] = {}

    def ask(self, what: str, job_id: str | None = None, data: Mapping[str, Any] | None = None) -> bool | None:
        """Whether it could be done; None where nobody has said so yet: it is kept, and done once somebody leads."""
        with self._database.write() as session:
            row = OrderRow(what=what, job_id=job_id, data=dict(data or {}), at=time.time())
            session.add(row)
            session.flush()
            number = row.id
            self._waiting[number] = threading.Event()
            self._database.notify(session, ASKED, str(number))
        try:
            return self._answer(number)
        finally:
            del self._waiting[number]

    def _answer(self, number: int) -> bool | None:
        end = time.monotonic() + PATIENCE
        while (rest := end - time.monotonic()) > 0:
            self._waiting[number].wait(min(rest, 0.5))  # looks now and then all the same: a notice can be missed
            with self._database.read() as session:
                taken = session.scalar(select(OrderRow.taken).where(OrderRow.id == number))
            if taken is not None:
                return taken
        return None

    def heard(self, words: str) -> None:
        """Takes a notice that an order was seen to."""
        found = self._waiting.get(int(words)) if words.isdigit() else None
        if found is not None:
            found.set()

    def take(self, do: Callable[[Order], bool]) -> None:
        """Sees to every order there is, in the order of asking. ``do`` says whether it could be done."""
        with self._database.read() as session:
            rows = session.scalars(select(OrderRow).where(OrderRow.taken.is_(None)).order_by(OrderRow.id))
            orders = [Order(row.id, row.what, row.job_id, row.data) for row in rows]
        for order in orders:
            try:
                done = do(order)
            except Exception:  # one that cannot be done keeps nobody's from being seen to
                log.exception("order %s could not be done", order.what)
                done = False
            with self._database.write() as session:
                session.execute(delete(OrderRow).where(OrderRow.at < time.time() - FORGOTTEN))
                row = session.get(OrderRow, order.id)
                if row is not None:
                    row.taken = done
                self._database.notify(session, TAKEN, str(order.id))
