"""Random words that let somebody in, and what is kept of them. Knows no table."""

from __future__ import annotations

import hashlib
import secrets


def new_secret() -> str:
    """256 random bits for a cookie, a link or a token; fit for an address and a header."""
    return secrets.token_urlsafe(32)


def kept(secret: str) -> str:
    """What the database keeps of it. A plain sha256 will do: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
