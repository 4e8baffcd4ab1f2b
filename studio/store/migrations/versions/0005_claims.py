"""Which process gave a job to which device and when that was last heard of, and who leads of several processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("claimed_by", sa.String))
    op.add_column("jobs", sa.Column("term", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("device", sa.String, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("beat", sa.Double))
    op.create_table(
        "leading",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("term", sa.Integer, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
