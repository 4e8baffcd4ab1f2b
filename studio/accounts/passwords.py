"""Passwords: which are long enough, their argon2 hash, and whether one is right.

Knows argon2. A check costs the same whether or not there is such an account, so that time tells nobody who has one;
and few run at once, since each takes 64 MiB.
"""

from __future__ import annotations

from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from pipelines.errors import StudioError

SHORTEST, LONGEST = 10, 200
_hasher = PasswordHasher()
_at_once = BoundedSemaphore(2)


def hash_password(password: str) -> str:
    """What is kept of ``password``; a ``StudioError`` where it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise StudioError(
            "password.length",
            "A password has {least} to {most} characters; this one has {value}.",
            least=SHORTEST,
            most=LONGEST,
            value=len(password),
        )
    with _at_once:
        return _hasher.hash(password)


def is_password(kept: str | None, password: str) -> bool:
    """Whether ``password`` is the one ``kept`` was made from. With nothing kept, as long and always no."""
    with _at_once:
        try:
            right = _hasher.verify(kept or _nobodys(), password[: LONGEST + 1])
        except VerifyMismatchError:
            return False
    return right and kept is not None


@cache
def _nobodys() -> str:
    return _hasher.hash("a password that is no account's")
