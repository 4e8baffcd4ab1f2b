"""What administrators choose while the studio runs, and jobs that end with the page that asked for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "choices",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
    )
    op.add_column("jobs", sa.Column("ends_with_page", sa.Boolean, nullable=False, server_default=sa.false()))
