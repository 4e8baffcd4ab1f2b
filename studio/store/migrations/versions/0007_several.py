"""Several processes over one database: orders for whoever leads, what that one publishes, and pages that stay open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("stays_until", sa.Double))
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("job_id", sa.String(32)),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("taken", sa.Boolean),
    )
    op.create_table(
        "published",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
    )
