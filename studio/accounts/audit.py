"""The log of who did what that matters: signing in and out, invitations, links, roles, an administrator's acts.

Knows one table, of which it keeps the newest entries. Holds no password, no token and nothing that was made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from studio.store.database import Database
from studio.store.people import AuditRow

KEPT = 50_000
_SWEPT_EVERY = 500


@dataclass(frozen=True)
class Entry:
    """``what`` is a word such as ``signin.good``; ``subject`` what it was done to."""

    at: float
    what: str
    actor: str
    subject: str
    address: str


class Audit:
    """``note`` writes, ``last`` reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, what: str, *, actor: str, account: int | None = None, subject: str = "", address: str = "") -> None:
        row = AuditRow(
            at=time.time(), what=what, account=account, actor=actor[:60], subject=subject[:120], address=address[:60]
        )
        with self._database.write() as session:
            session.add(row)
            session.flush()
            if row.id % _SWEPT_EVERY == 0:
                session.execute(delete(AuditRow).where(AuditRow.id <= row.id - KEPT))

    def counts(self, prefix: str, since: float) -> list[tuple[str, str, int]]:
        """(what, subject, how often) of entries since then whose word begins with ``prefix``, the most first."""
        often = func.count()
        query = select(AuditRow.what, AuditRow.subject, often).where(AuditRow.at >= since)
        query = query.where(AuditRow.what.startswith(prefix)).group_by(AuditRow.what, AuditRow.subject)
        with self._database.read() as session:
            rows = session.execute(query.order_by(often.desc(), AuditRow.subject).limit(100))
            return [(what, subject, count) for what, subject, count in rows]

    def last(self, count: int = 100) -> list[Entry]:
        """The newest entries, newest first."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(count)
        with self._database.read() as session:
            return [Entry(row.at, row.what, row.actor, row.subject, row.address) for row in session.scalars(query)]
