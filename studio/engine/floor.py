"""Where the job service meets the engine: ``Dispatch`` while this process leads, ``Afar`` while another one does.

Knows who leads and what whoever leads does for the others: takes up the jobs they have written down, sees to their
orders, publishes what there is to see. Does not know what any job is. Over SQLite there is one process, which leads,
and none of the rest happens.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from pipelines.durable import DiskFull
from studio.engine.afar import Afar, carried_out
from studio.engine.dispatch import Dispatch
from studio.engine.events import CHANNEL, EventLog
from studio.engine.leading import Leading
from studio.engine.orders import ASKED, TAKEN, Orders
from studio.engine.published import Published, known_to
from studio.engine.rows import JobRows
from studio.engine.term import Deposed, Term
from studio.store.database import CHANGED, Database
from studio.store.lines import Listener

log = logging.getLogger(__name__)

#: seconds between two rounds of whoever leads, where nobody asks for one
ROUND = 1.0
#: a job that somebody claimed, and no device has said for so long that it has it, is with nobody
SILENT = 10.0


class Floor:
    """``make`` makes the engine's dispatch, started by us when we begin to lead; ``each_round`` is called about once a
    second while we do, and ``changed`` with what another process says it has changed."""

    def __init__(
        self,
        database: Database,
        rows: JobRows,
        event_log: EventLog,
        term: Term,
        make: Callable[[], Dispatch],
        each_round: Callable[[], None],
        changed: Callable[[str], None],
    ) -> None:
        self._shared = database.shared
        self._rows = rows
        self._log = event_log
        self._term = term
        self._make = make
        self._each_round = each_round
        self._changed = changed
        self._orders = Orders(database)
        self._published = Published(database)
        self._afar = Afar(rows, self._orders, self._published)
        self._here: Dispatch | None = None
        self._wanted = threading.Event()  # a round
        self._next = 0.0  # when there is to be published again
        self._closing = False
        self._leading = Leading(database, term, self)
        self._listener = Listener(database, (CHANNEL, ASKED, TAKEN, CHANGED), self._heard, self._again)
        self._rounds = threading.Thread(target=self._go_round, name="rounds", daemon=True)

    @property
    def dispatch(self) -> Dispatch | Afar:
        """What the job service turns to at this moment."""
        return self._here or self._afar

    @property
    def leads(self) -> bool:
        return not self._shared or self._here is not None

    def start(self) -> None:
        if self._shared:
            self._listener.start()
            self._rounds.start()
        self._leading.start()

    def close(self) -> None:
        """Ends the engine, if it is ours, and lets another process lead."""
        self._closing = True
        if self._shared:
            self._wanted.set()
            self._rounds.join(timeout=10)
        self._end_ours()
        self._log.close()
        self._leading.close()
        if self._shared:
            self._listener.close()

    def _end_ours(self) -> None:
        if self._here is not None:
            try:
                self._here.close()
            except (OperationalError, Deposed) as error:
                log.warning("what ran is for whoever leads next to take up: %s", error)

    # --------------------------------------------------------------------- what leading means

    def begin(self) -> None:
        self._log.follow_others()
        dispatch = self._make()
        dispatch.start()
        self._here, self._next = dispatch, 0.0
        self._wanted.set()

    def pause(self) -> None:
        """Nothing is claimed and no message of a device is taken without a term; all of it waits."""

    def go_on(self) -> None:
        self._wanted.set()

    def leave(self) -> None:
        dispatch, self._here = self._here, None
        if dispatch is not None:
            dispatch.abandon()
        self._log.follow_others()

    # ------------------------------------------------------------------------------ listening

    def _heard(self, channel: str, words: str) -> None:
        if channel == CHANNEL:
            self._log.notice(words)
            if words.split(" ", 1)[0] != self._term.holder:
                self._wanted.set()  # another process may have written a job down
        elif channel == ASKED:
            self._wanted.set()
        elif channel == TAKEN:
            self._orders.heard(words)
        elif channel == CHANGED:
            self._changed(words)

    def _again(self) -> None:
        """Notices may have been missed."""
        self._log.wake_all()
        self._changed("")
        self._wanted.set()

    def _go_round(self) -> None:
        while not self._closing:
            self._wanted.wait(ROUND)
            self._wanted.clear()
            dispatch = self._here
            if dispatch is None or not self._term.held or self._closing:
                continue
            try:
                self._round(dispatch)
            except (DiskFull, OperationalError, Deposed) as error:
                log.warning("what other processes ask for waits a moment: %s", error)
            except Exception:  # the next round may do better
                log.exception("a round was not finished")

    def _round(self, dispatch: Dispatch) -> None:
        """New jobs and orders at once, everything else now and then."""
        for job_id in dispatch.lacks(self._rows.unclaimed()):
            if (job := self._rows.get(job_id)) is not None:
                dispatch.add(job)
        self._orders.take(lambda order: carried_out(order, dispatch, self._rows))
        dispatch.remark()
        if time.monotonic() < self._next:
            return
        self._each_round()
        for job in self._rows.silent(time.time() - SILENT):
            dispatch.take_up(job)
        known = known_to(dispatch)
        self._rows.beat(known.seconds)
        self._published.publish(known)
        self._next = time.monotonic() + ROUND / 2
