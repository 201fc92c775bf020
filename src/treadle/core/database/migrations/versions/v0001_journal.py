"""The journal: runs, their events, and what other processes ask of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "run",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("parent_id", sa.Text),
        sa.Column("forked_from", sa.Text),
        sa.Column("task", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double),
        sa.Column("holder", sa.Text),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("heartbeat", sa.BigInteger, nullable=False),
    )
    op.create_index("run_by_time", "run", ["created_at"])
    op.create_index("run_by_parent", "run", ["parent_id"])
    op.create_table(
        "event",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "command",
        sa.Column("command_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        # A number is never used again: who has seen it has taken the command.
        sqlite_autoincrement=True,
    )
    op.create_index("command_by_run", "command", ["run_id"])


def downgrade() -> None:
    """Drop the tables, with everything in them."""
    for table in ("command", "event", "run"):
        op.drop_table(table)
