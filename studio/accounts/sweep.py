"""What of the accounts is over: sessions, invitations, and guests whose time was up a while ago.

Knows the tables of accounts; what a guest had beside the account is for others.
"""

from __future__ import annotations

import time

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from studio.store.database import Database
from studio.store.people import AccountRow, InvitationRow, SessionRow


def sweep_sessions(database: Database) -> int:
    """Forgets where somebody was signed in until now; returns how many."""
    with database.write() as session:
        gone = list(session.scalars(select(SessionRow.digest).where(SessionRow.expires < time.time())))
        session.execute(delete(SessionRow).where(SessionRow.digest.in_(gone)))
    return len(gone)


def sweep_invitations(database: Database, before: float) -> int:
    """Forgets links that were used up, taken back or over before a time; returns how many."""
    over = or_(
        InvitationRow.taken_back < before,
        InvitationRow.expires < before,
        (InvitationRow.uses_left < 1) & (InvitationRow.created < before),
    )
    with database.write() as session:
        gone = list(session.scalars(select(InvitationRow.id).where(over)))
        session.execute(delete(InvitationRow).where(InvitationRow.id.in_(gone)))
    return len(gone)


def guests_over(database: Database, before: float) -> list[int]:
    """The accounts of guests whose time was up before ``before``."""
    with database.read() as session:
        return list(session.scalars(select(AccountRow.id).where(AccountRow.ends < before)))


def forget_account(session: Session, account: int) -> None:
    """Takes an account out, its sessions and tokens with it; the number is never given out again."""
    session.execute(delete(AccountRow).where(AccountRow.id == account))
