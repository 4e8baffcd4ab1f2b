"""The library's order: stars, tags, collections, words to search, vectors, and what was made of what.

Everything that is there already is put on the list of what is to be indexed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COLUMNS = ("owner", "title", "prompt", "style", "tags", "model")


def upgrade() -> None:
    op.add_column("items", sa.Column("starred", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("items_by_title", "items", ["owner", "title"])
    op.create_index("items_of_digest", "items", ["digest"])
    _words()
    op.create_table(
        "item_tags",
        sa.Column("item", sa.String(32), sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tag", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
    )
    op.create_index("tags_of_owner", "item_tags", ["owner", "tag"])
    op.create_table(
        "collections",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("folded", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_index("collections_of_owner", "collections", ["owner", "folded"], unique=True)
    op.create_table(
        "collected",
        sa.Column("collection", sa.String(32), sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("item", sa.String(32), sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("added", sa.Double, nullable=False),
    )
    op.create_index("collections_of_item", "collected", ["item"])
    _memory()
    for what in ("names", "words", "looks", "sources"):
        op.execute(sa.text("INSERT INTO to_index (item, what) SELECT id, :what FROM items").bindparams(what=what))


def _words() -> None:
    """A plain table, and a full-text index over it; SQLite's is kept in step by triggers."""
    op.create_table(
        "item_words",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("item", sa.String(32), sa.ForeignKey("items.id", ondelete="CASCADE"), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in _COLUMNS),
        sa.UniqueConstraint("item"),
    )
    if op.get_bind().dialect.name == "postgresql":
        joined = " || ' ' || ".join(_COLUMNS[1:])
        op.execute(f"CREATE INDEX item_search ON item_words USING gin (to_tsvector('simple'::regconfig, {joined}))")
        return
    columns = ", ".join(_COLUMNS)
    old, new = (", ".join(f"{which}.{name}" for name in _COLUMNS) for which in ("old", "new"))
    gone = f"INSERT INTO item_search (item_search, rowid, {columns}) VALUES ('delete', old.id, {old});"
    come = f"INSERT INTO item_search (rowid, {columns}) VALUES (new.id, {new});"
    op.execute(
        f"CREATE VIRTUAL TABLE item_search USING fts5({columns}, content='item_words', content_rowid='id', "
        "tokenize='unicode61 remove_diacritics 2', prefix='2 3')"
    )
    for name, event, does in (
        ("come", "INSERT", come),
        ("gone", "DELETE", gone),
        ("changed", "UPDATE", f"{gone} {come}"),
    ):
        op.execute(f"CREATE TRIGGER item_words_{name} AFTER {event} ON item_words BEGIN {does} END")


def _memory() -> None:
    op.create_table(
        "item_vectors",
        sa.Column("item", sa.String(32), sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("what", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("maker", sa.String, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("vectors_of_owner", "item_vectors", ["owner", "what", "at"])
    op.create_table(
        "to_index",
        sa.Column("item", sa.String(32), sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("what", sa.String, primary_key=True),
    )
    op.create_table(
        "edges",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("made", sa.String(100), primary_key=True),
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("role", sa.String, primary_key=True),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("edges_from", "edges", ["owner", "source"])
