"""The tables, one class each. Times are seconds since 1970, UTC. A change here comes with a migration."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 - SQLAlchemy's own way to say it


class JobRow(Base):
    """One thing a person asked for. ``attempt`` counts its runs: a resume after an interruption is a new one.

    ``claimed_by`` names the process that gave it to a ``device`` in its ``term`` of leading, None while none has it;
    ``beat`` is when that was last heard of. One that ends with its page does so after ``stays_until``.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_of_owner", "owner", "created"), Index("jobs_by_state", "state", "created"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str]
    kind: Mapped[str]
    request: Mapped[dict[str, Any]]
    model: Mapped[str] = mapped_column(default="")
    seed: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=1)
    created: Mapped[float]
    started: Mapped[float | None]
    ended: Mapped[float | None]
    device_seconds: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[dict[str, Any] | None]
    facts: Mapped[dict[str, Any] | None]
    ends_with_page: Mapped[bool] = mapped_column(default=False)
    claimed_by: Mapped[str | None]
    term: Mapped[int] = mapped_column(default=0)
    device: Mapped[str] = mapped_column(default="")
    beat: Mapped[float | None]
    stays_until: Mapped[float | None]


class EventRow(Base):
    """What happened to a job, numbered from 1 within it."""

    __tablename__ = "events"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy's own way to say it

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]


class BlobRow(Base):
    """A file in the blob folder. The row is written after the file is safe on disk, so a row always has its file."""

    __tablename__ = "blobs"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]
    created: Mapped[float]


class ItemRow(Base):
    """Something made, in its maker's library."""

    __tablename__ = "items"
    __table_args__ = (
        Index("items_of_owner", "owner", "created"),
        Index("items_by_title", "owner", "title"),
        Index("items_of_digest", "digest"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str]
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    kind: Mapped[str]
    title: Mapped[str]
    name: Mapped[str]
    media_type: Mapped[str]
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"))
    thumbnail: Mapped[str | None] = mapped_column(ForeignKey("blobs.digest"))
    width: Mapped[int] = mapped_column(default=0)
    height: Mapped[int] = mapped_column(default=0)
    recipe: Mapped[dict[str, Any]]
    created: Mapped[float]
    starred: Mapped[bool] = mapped_column(default=False)


class LeadingRow(Base):
    """Who leads of the processes over this database, or led last: one row. ``term`` goes up each time somebody begins
    to, so that what is written under an earlier one can be told from what counts."""

    __tablename__ = "leading"

    id: Mapped[int] = mapped_column(primary_key=True)
    term: Mapped[int]
    holder: Mapped[str]
    since: Mapped[float]


class OrderRow(Base):
    """What a person wants done by whoever leads, asked for at another process. ``taken``: whether it could be; None
    until somebody has seen to it."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]
    job_id: Mapped[str | None] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    at: Mapped[float]
    taken: Mapped[bool | None]


class PublishedRow(Base):
    """What whoever leads knows and the others show: one row."""

    __tablename__ = "published"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    value: Mapped[dict[str, Any]]


class HeardRow(Base):
    """Up to which number the messages of an engine that keeps them are written down. ``source``: one life of one."""

    __tablename__ = "heard"

    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class ChoiceRow(Base):
    """What an administrator has chosen while the studio ran, by name: it goes before the settings."""

    __tablename__ = "choices"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    changed: Mapped[float]


class UploadRow(Base):
    """A file somebody gave us to work on; the right to name its digest in a request."""

    __tablename__ = "uploads"

    owner: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), primary_key=True)
    created: Mapped[float]
