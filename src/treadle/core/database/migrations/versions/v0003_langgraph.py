"""What LangGraph applications keep: checkpoints of threads, and items of stores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Ids are compared, and namespaces cut at their dots, byte by byte: no language has a say in it.
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "checkpoint",
        sa.Column("tenant", _KEY, primary_key=True),
        sa.Column("thread_id", _KEY, primary_key=True),
        sa.Column("namespace", _KEY, primary_key=True),
        sa.Column("checkpoint_id", _KEY, primary_key=True),
        sa.Column("parent_id", _KEY),
        sa.Column("run_id", _KEY),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("metadata_kind", sa.Text, nullable=False),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("channels", sa.Text, nullable=False),
        sa.Column("written_at", sa.Double, nullable=False),
    )
    op.create_index("checkpoint_by_run", "checkpoint", ["tenant", "run_id"])
    op.create_table(
        "checkpoint_value",
        sa.Column("tenant", _KEY, primary_key=True),
        sa.Column("thread_id", _KEY, primary_key=True),
        sa.Column("namespace", _KEY, primary_key=True),
        sa.Column("channel", _KEY, primary_key=True),
        sa.Column("version", _KEY, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoint_write",
        sa.Column("tenant", _KEY, primary_key=True),
        sa.Column("thread_id", _KEY, primary_key=True),
        sa.Column("namespace", _KEY, primary_key=True),
        sa.Column("checkpoint_id", _KEY, primary_key=True),
        sa.Column("task_id", _KEY, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task_path", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "store_item",
        sa.Column("item_id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("tenant", _KEY, nullable=False),
        sa.Column("namespace", _KEY, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("ttl_minutes", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.UniqueConstraint("tenant", "namespace", "key", name="store_item_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("store_item_by_time", "store_item", ["tenant", "updated_at"])
    op.create_index(
        "store_item_by_expiry",
        "store_item",
        ["expires_at"],
        sqlite_where=sa.text("expires_at is not null"),
        postgresql_where=sa.text("expires_at is not null"),
    )
    op.create_table(
        "store_vector",
        sa.Column(
            "item_id",
            _NUMBER,
            sa.ForeignKey("store_item.item_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, with everything in them."""
    for table in (
        "store_vector",
        "store_item",
        "checkpoint_write",
        "checkpoint_value",
        "checkpoint",
    ):
        op.drop_table(table)
