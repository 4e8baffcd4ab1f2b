"""Somebody who is signed in, and the names that accounts may have. Knows no table but the account's."""

from __future__ import annotations

import time
import unicodedata
from dataclasses import dataclass

from pipelines.errors import StudioError
from studio.accounts.roles import ROLES, Role, owner_name
from studio.store.people import AccountRow

LONGEST_NAME = 40


@dataclass(frozen=True)
class Person:
    """An account that may act now. ``ends``: when a guest's time is over."""

    account: int
    name: str
    role: Role
    ends: float | None = None

    @property
    def owner(self) -> str:
        return owner_name(self.account)


def is_number(id: int) -> bool:  # noqa: A002 - what it is
    """Whether a posted id can be one of a row; what a database cannot count to is no row of it."""
    return 0 < id < 2**63


def person_of(row: AccountRow | None) -> Person | None:
    """The person of an account; None where it is disabled or its time is over."""
    if row is None or row.disabled or (row.ends is not None and row.ends <= time.time()):
        return None
    return Person(row.id, row.name, role_named(row.role), row.ends)


def role_named(name: str) -> Role:
    """A posted or stored word as a role; a ``StudioError`` where it is none."""
    for role in ROLES:
        if role == name:
            return role
    raise StudioError(
        "role.unknown", "A role is {roles}; you gave {value}.", roles=", ".join(ROLES), value=str(name)[:40]
    )


def clean_name(name: str) -> str:
    """``name`` in one spelling, without what cannot be seen; a ``StudioError`` where it is no name."""
    clean = " ".join(unicodedata.normalize("NFKC", name).split())
    if not 1 <= len(clean) <= LONGEST_NAME or not all(c.isalnum() or c in "-_.@+ '" for c in clean):
        raise StudioError(
            "account.name",
            "A name has 1 to {most} letters, digits, spaces or any of - _ . @ +; you gave {value}.",
            most=LONGEST_NAME,
            value=clean[:60],
        )
    return clean


def folded(name: str) -> str:
    """``name`` as it is compared: Ann and ann are one person."""
    return unicodedata.normalize("NFKC", " ".join(unicodedata.normalize("NFKC", name).split()).casefold())
