"""The tables of accounts and of what is shared. Nothing here that would let anybody in is kept as it is: passwords as
argon2 hashes, everything random (sessions, tokens, links) as its sha256. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.store.tables import Base


class AccountRow(Base):
    """A person. ``folded`` is the name as it is compared. Without a password: a guest, or signed in by a proxy."""

    __tablename__ = "accounts"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - an id is never given out twice: files hang on it

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    folded: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    role: Mapped[str]
    disabled: Mapped[bool] = mapped_column(default=False)
    created: Mapped[float]
    seen: Mapped[float | None]
    ends: Mapped[float | None]


class SessionRow(Base):
    """A browser somebody is signed in with. Ending it deletes the row."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_of_account", "account"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    created: Mapped[float]
    seen: Mapped[float]
    expires: Mapped[float]
    agent: Mapped[str]


class TokenRow(Base):
    """What a script says instead of signing in. Taking it back deletes the row."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str]
    created: Mapped[float]
    seen: Mapped[float | None]


class InvitationRow(Base):
    """A link that makes accounts. ``guest_minutes``: how long its guests may stay; 0: real accounts."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str]
    guest_minutes: Mapped[int]
    uses_left: Mapped[int]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    created: Mapped[float]
    expires: Mapped[float]
    taken_back: Mapped[float | None]


class AttemptRow(Base):
    """How often signing in has failed in a row, for an account's name or an address, and until when it must wait."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last: Mapped[float]
    until: Mapped[float]


class AuditRow(Base):
    """Something that was done, by whom and from where. ``actor`` is the name at that time."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_by_time", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    what: Mapped[str]
    account: Mapped[int | None]
    actor: Mapped[str]
    subject: Mapped[str]
    address: Mapped[str]


class ShareRow(Base):
    """A link to one item for people without an account."""

    __tablename__ = "shares"
    __table_args__ = (Index("shares_of_owner", "owner", "created"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    owner: Mapped[str]
    item: Mapped[str] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"))
    created: Mapped[float]
    expires: Mapped[float | None]
    taken_back: Mapped[float | None]
