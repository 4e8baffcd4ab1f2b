"""As whom, and in which term of leading, a process writes down what devices do.

Of several web processes over one database one leads; over SQLite the only one does. Each time somebody begins to lead
the term is one higher, so what an earlier leader claimed, or would still like to write, can be told from what counts.
"""

from __future__ import annotations

import secrets
import time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from studio.store.database import Database, insert
from studio.store.tables import LeadingRow

#: the one row there is
_ROW = 1


class Deposed(Exception):  # noqa: N818 - the field's word
    """Another process leads by now, or did meanwhile; what was to be written was not."""


class Term:
    """``holder`` names the process for as long as it lives; ``number`` is 0 until it leads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.holder = f"web-{secrets.token_hex(6)}"
        self.number = 0

    def begin(self) -> None:
        """Begins a term of ours. From here on nothing is written under an earlier one."""
        row = {"id": _ROW, "term": 1, "holder": self.holder, "since": time.time()}
        with self._database.write() as session:
            added = insert(session, LeadingRow).values(row)
            row["term"] = LeadingRow.term + 1
            added = added.on_conflict_do_update(index_elements=["id"], set_=row).returning(LeadingRow.term)
            number = session.scalar(added)
        self.number = int(number or 0)

    def check(self, session: Session) -> None:
        """Raises ``Deposed``, within a transaction that writes, where this term is not the newest."""
        newest = session.scalar(select(func.max(LeadingRow.term)))
        if newest != self.number:
            raise Deposed(f"{self.holder} led in term {self.number}, and it is term {newest}")
