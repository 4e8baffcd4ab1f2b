"""How long somebody must wait who could not sign in: for each account and for each address, twice as long each time.

Knows failures in a row. A try counts before the password is looked at, so that many at once gain nothing; a name that
there is not waits like one that there is. An account's wait is short, as anybody can make its owner wait.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from pipelines.errors import Busy
from studio.accounts.secret import kept
from studio.store.database import Database
from studio.store.people import AttemptRow

FORGOTTEN = 24 * 3600.0


@dataclass(frozen=True)
class Patience:
    """``free`` failures cost nothing; each further one doubles the wait, up to ``longest`` seconds."""

    free: int
    longest: float

    def wait(self, failures: int) -> float:
        return 0.0 if failures < self.free else min(2.0 ** min(failures - self.free, 20), self.longest)


OF_ACCOUNT = Patience(free=5, longest=60.0)
OF_ADDRESS = Patience(free=20, longest=900.0)


class BackOff:
    """``begin`` before a password is looked at, ``succeeded`` when it was right."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, folded: str, address: str) -> None:
        """Counts a try; ``Busy`` with the seconds to wait where it comes too soon, which then does not count."""
        now, keys = time.time(), _keys(folded, address)
        with self._database.read() as session:  # whoever has to wait anyway gets nothing written
            _check_wait([row for key, _ in keys if (row := session.get(AttemptRow, key))], now)
        with self._database.write() as session:
            session.execute(delete(AttemptRow).where(AttemptRow.last < now - FORGOTTEN))
            rows = [(_row(session, key, now), patience) for key, patience in keys]
            _check_wait([row for row, _ in rows], now)  # again: another try may have come in between
            for row, patience in rows:
                row.failures += 1
                row.last, row.until = now, now + patience.wait(row.failures)

    def succeeded(self, folded: str, address: str) -> None:
        """Forgets the account's failures, and of the address's only this try: its others may be guesses."""
        (account, _), (place, patience) = _keys(folded, address)
        now = time.time()
        with self._database.write() as session:
            session.delete(_row(session, account, now))
            row = _row(session, place, now)
            row.failures = max(row.failures - 1, 0)
            row.until = now if row.failures < patience.free else row.until


def _check_wait(rows: list[AttemptRow], now: float) -> None:
    wait = max((row.until for row in rows), default=now) - now
    if wait > 0:
        seconds = int(wait) + 1
        raise Busy("signin.wait", "Too many tries did not work. Try again in {seconds} seconds.", seconds=seconds)


def _keys(folded: str, address: str) -> tuple[tuple[str, Patience], tuple[str, Patience]]:
    return (kept(f"account {folded}"), OF_ACCOUNT), (kept(f"address {address}"), OF_ADDRESS)


def _row(session: Session, key: str, now: float) -> AttemptRow:
    row = session.get(AttemptRow, key)
    if row is None:
        row = AttemptRow(key=key, failures=0, last=now, until=0.0)
        session.add(row)
        session.flush()
    return row
