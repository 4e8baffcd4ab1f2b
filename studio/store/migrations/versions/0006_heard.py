"""How far each engine that numbers its messages was heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "heard",
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
