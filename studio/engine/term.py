"""As whom, and in which term of leading, a process writes down what devices do.

Of several web processes over one database one leads; over SQLite the only one does. Each time somebody begins to lead
the term is one higher, so what an earlier leader claimed, or would still like to write, can be told from what counts.
"""

from __future__ import annotations

import secrets
import time

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from studio.store.database import Database, insert
from studio.store.tables import LeadingRow

#: the one row there is
_ROW = 1


class Deposed(Exception):  # noqa: N818 - the field's word
    """We do not lead at this moment; what was to be written was not, and may be once we do again."""


class Term:
    """``holder`` names the process for as long as it lives; ``number`` is that of its last term, 0 before the first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.holder = f"web-{secrets.token_hex(6)}"
        self.number = 0
        self.held = False

    def begin(self) -> bool:
        """Begins a term of ours; from here on nothing is written under an earlier one. Whether it follows on our last,
        so that nobody has led in between."""
        row = {"id": _ROW, "term": 1, "holder": self.holder, "since": time.time()}
        with self._database.write() as session:
            added = insert(session, LeadingRow).values(row)
            row["term"] = LeadingRow.term + 1
            added = added.on_conflict_do_update(index_elements=["id"], set_=row).returning(LeadingRow.term)
            number = int(session.scalar(added) or 0)
        ours, self.number, self.held = self.number > 0 and number == self.number + 1, number, True
        return ours

    def suspend(self) -> None:
        """From here on we write nothing as whoever leads, until we begin a term again."""
        self.held = False

    def end(self) -> None:
        """Says that we go, so that nobody waits for us to come back."""
        self.suspend()
        mine = (LeadingRow.holder == self.holder, LeadingRow.term == self.number)
        with self._database.write() as session:
            session.execute(update(LeadingRow).where(*mine).values(holder=""))

    def last(self) -> str:
        """Who leads or led last; empty for somebody who has said goodbye, and before anybody did."""
        with self._database.read() as session:
            return session.scalar(select(LeadingRow.holder)) or ""

    def check(self, session: Session) -> None:
        """Raises ``Deposed``, within a transaction that writes, where our term is not the newest."""
        newest = session.scalar(select(LeadingRow.term))
        if not self.held or newest != self.number:
            raise Deposed(f"{self.holder} led in term {self.number}, and it is term {newest}")
