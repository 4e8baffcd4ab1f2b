"""The accounts of one studio: who there is and in which role.

Knows the database. Does not know passwords (``passwords``) nor who is signed in (``sessions``).
"""

from __future__ import annotations

from studio.accounts.roles import Role, account_of
from studio.store.database import Database
from studio.store.people import AccountRow


class Accounts:
    """``required`` is the setting ``--auth``; without it every owner is the administrator of their own machine."""

    def __init__(self, database: Database, required: bool) -> None:
        self._database = database
        self.required = required

    def role_of(self, owner: str) -> Role:
        """What ``owner`` may do. Nobody we know is a guest."""
        if not self.required:
            return "administrator"
        number = account_of(owner)
        with self._database.read() as session:
            row = session.get(AccountRow, number) if number is not None else None
            return "guest" if row is None or row.disabled else _role(row.role)


def _role(name: str) -> Role:
    if name not in ("guest", "member", "administrator"):
        raise ValueError(f"the database names a role that there is not: {name!r}")
    return name  # type: ignore[return-value]  # narrowed above
