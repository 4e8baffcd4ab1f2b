"""The three roles, and whom an owner's name means. Knows names only; who has which role is in the database."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Role: TypeAlias = Literal["guest", "member", "administrator"]

#: from the least to the most
ROLES: tuple[Role, ...] = get_args(Role)


def owner_name(account: int) -> str:
    """What a signed-in person's jobs and files are kept under. It stays the same whatever they are called."""
    return f"u{account}"


def account_of(owner: str) -> int | None:
    """The account an owner's name means; None for a browser without one."""
    number = owner[1:]
    return int(number) if owner[:1] == "u" and number.isascii() and number.isdigit() and len(number) < 10 else None
