"""Links that make accounts: for a person who chooses a name and a password, or for guests who stay a while.

Knows the table. A link works for some time, some number of times, and until it is taken back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.accounts.person import Person, is_number
from studio.accounts.roles import Role
from studio.accounts.secret import kept, new_secret
from studio.store.database import Database
from studio.store.people import InvitationRow

MOST_USES, MOST_DAYS, MOST_MINUTES = 500, 90, 24 * 60


@dataclass(frozen=True)
class Invitation:
    """A link, without the words it is made of, which are said once."""

    id: int
    role: str
    guest_minutes: int
    uses_left: int
    created: float
    expires: float


class Invitations:
    """The links of one studio."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, by: Person | None, role: Role, uses: int = 1, days: int = 7, guest_minutes: int = 0) -> str:
        """A new link's words. Guests' links have minutes and make guests; others have none and make members or more."""
        _check("uses", uses, 1, MOST_USES)
        _check("days", days, 1, MOST_DAYS)
        _check("minutes", guest_minutes, 1 if role == "guest" else 0, MOST_MINUTES if role == "guest" else 0)
        secret, now = new_secret(), time.time()
        row = InvitationRow(
            digest=kept(secret),
            role=role,
            guest_minutes=guest_minutes,
            uses_left=uses,
            made_by=by.account if by else None,
            created=now,
            expires=now + days * 86_400,
        )
        with self._database.write() as session:
            session.add(row)
        return secret

    def look(self, secret: str) -> Invitation:
        """What a link is good for; a ``StudioError`` where it is good for nothing."""
        with self._database.read() as session:
            return _invitation(_good(session, secret))

    def open(self) -> list[Invitation]:
        """Those that still work, newest first."""
        query = select(InvitationRow).where(
            InvitationRow.taken_back.is_(None), InvitationRow.uses_left > 0, InvitationRow.expires > time.time()
        )
        with self._database.read() as session:
            return [_invitation(row) for row in session.scalars(query.order_by(InvitationRow.id.desc()))]

    def take_back(self, invitation: int) -> None:
        with self._database.write() as session:
            row = session.get(InvitationRow, invitation) if is_number(invitation) else None
            if row is None:
                raise StudioError("invitation.unknown", "There is no such invitation.")
            row.taken_back = time.time()


def use(session: Session, secret: str) -> InvitationRow:
    """Takes one use of a link, within the transaction that makes the account: both happen, or neither."""
    row = _good(session, secret)
    row.uses_left -= 1
    return row


def _good(session: Session, secret: str) -> InvitationRow:
    row = session.scalars(select(InvitationRow).where(InvitationRow.digest == kept(secret))).first()
    if row is None or row.taken_back is not None or row.uses_left < 1 or row.expires <= time.time():
        raise StudioError(
            "invitation.over", "This invitation is used up, over or taken back. Ask for a new one where you got it."
        )
    return row


def _invitation(row: InvitationRow) -> Invitation:
    return Invitation(row.id, row.role, row.guest_minutes, row.uses_left, row.created, row.expires)


def _check(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise StudioError(
            "invitation.range", "{name} must be {least} to {most}; you gave {value}.",
            name=field, least=least, most=most, value=value,
        )  # fmt: skip
