"""Alembic's way in: runs the migrations on the connection that ``studio.store.database`` hands over."""

from __future__ import annotations

from alembic import context

from studio.store.people import AccountRow  # its module adds its tables to those of studio.store.tables
from studio.store.shelf import WordsRow  # the same

connection = context.config.attributes["connection"]
if WordsRow.metadata is not AccountRow.metadata:
    raise TypeError("the tables are not all in one place")
context.configure(connection=connection, target_metadata=AccountRow.metadata, render_as_batch=True)
context.run_migrations()
