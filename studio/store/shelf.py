"""The tables of the library's order and memory: words to search, tags, collections, vectors, and what was made of what.

All but the edges go with their item. Which rows there are means nothing here: ``studio.library`` knows.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.store.tables import Base


class WordsRow(Base):
    """The words an item is found by, as ``studio.store.words`` writes them. Its full-text index follows by triggers."""

    __tablename__ = "item_words"

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), unique=True)
    owner: Mapped[str]
    title: Mapped[str]
    prompt: Mapped[str]
    style: Mapped[str]
    tags: Mapped[str]
    model: Mapped[str]


class TagRow(Base):
    """A word that a person put on an item. ``tag`` as they wrote it, in one spelling."""

    __tablename__ = "item_tags"
    __table_args__ = (Index("tags_of_owner", "owner", "tag"),)

    item: Mapped[str] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]


class CollectionRow(Base):
    """A named heap of a person's items. ``folded`` is the name as it is compared."""

    __tablename__ = "collections"
    __table_args__ = (Index("collections_of_owner", "owner", "folded", unique=True),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    folded: Mapped[str]
    created: Mapped[float]


class CollectedRow(Base):
    """An item in a collection; it may be in several."""

    __tablename__ = "collected"
    __table_args__ = (Index("collections_of_item", "item"),)

    collection: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    item: Mapped[str] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    added: Mapped[float]


class VectorRow(Base):
    """A thing as a direction, float16: ``what`` is words (its prompt) or looks (its picture).

    ``maker`` names the encoder: only vectors of one maker are compared. An empty vector: there is nothing to encode.
    """

    __tablename__ = "item_vectors"
    __table_args__ = (Index("vectors_of_owner", "owner", "what", "at"),)

    item: Mapped[str] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    maker: Mapped[str]
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[float]


class ToIndexRow(Base):
    """Something that is yet to be done for an item: its words, looks or sources. Written with the item."""

    __tablename__ = "to_index"

    item: Mapped[str] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)


class EdgeRow(Base):
    """``made`` was made from ``source``: both a file's sha256, or a job (job:ID), or a data set (set:NAME).

    ``title`` and ``kind`` say what the source was, for when it is deleted: the edge outlives both its ends while
    anything that is there descends from them. An edge keeps no file.
    """

    __tablename__ = "edges"
    __table_args__ = (Index("edges_from", "owner", "source"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    made: Mapped[str] = mapped_column(String(100), primary_key=True)
    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    kind: Mapped[str]
    at: Mapped[float]
