"""Memory: what was told, what follows from it, and what is still to be worked out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_TABLES = (
    "namespace",
    "artifact",
    "concept",
    "embedding",
    "entity",
    "episode",
    "instruction",
    "link",
    "outbox",
    "procedure",
    "recalled",
    "summary",
    "tombstone",
    "artifact_part",
    "fact",
    "mention",
    "fact_source",
)


def upgrade() -> None:
    """Create the tables, and the index of terms."""
    op.create_table(
        "namespace",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_recorded", sa.Double(), server_default="0", nullable=False),
        sa.Column("episodes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("terms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("most_episodes", sa.BigInteger(), nullable=True),
        sa.Column("most_bytes", sa.BigInteger(), nullable=True),
        sa.Column("keep_seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "path", name="namespace_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "artifact",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("media_type", sa.Text(), server_default="text/plain", nullable=False),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("metadata", sa.Text(), server_default="{}", nullable=False),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "name", "version", name="artifact_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "concept",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cues", sa.Text(), server_default="[]", nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), server_default="{}", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("previous_id", _NUMBER, nullable=True),
        sa.Column("successes", sa.Double(), server_default="0", nullable=False),
        sa.Column("failures", sa.Double(), server_default="0", nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "uid", name="concept_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("concept_by_name", "concept", ["namespace_id", "name"], unique=False)
    op.create_table(
        "embedding",
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("namespace_id", "model", "kind", "item_id"),
    )
    op.create_index(
        "embedding_signature",
        "embedding",
        ["namespace_id", "model", "kind", "item_id", "signature"],
        unique=False,
    )
    op.create_table(
        "entity",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "key", name="entity_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "episode",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), server_default="user", nullable=False),
        sa.Column("thread", sa.Text(), server_default="", nullable=False),
        sa.Column("occurred_at", sa.Double(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("previous_id", _NUMBER, nullable=True),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.Column("metadata", sa.Text(), server_default="{}", nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("uses", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "idempotency_key", name="episode_key"),
        sa.UniqueConstraint("namespace_id", "uid", name="episode_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "episode_by_fingerprint", "episode", ["namespace_id", "fingerprint"], unique=False
    )
    op.create_index("episode_by_previous", "episode", ["previous_id"], unique=False)
    op.create_index("episode_by_thread", "episode", ["namespace_id", "thread", "id"], unique=False)
    op.create_index("episode_by_time", "episode", ["namespace_id", "occurred_at"], unique=False)
    op.create_table(
        "instruction",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("artifacts", sa.Text(), server_default="[]", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "job", "position", name="instruction_position"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "link",
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("from_kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("to_kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("to_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("weight", sa.Double(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint(
            "namespace_id", "from_kind", "from_id", "relation", "to_kind", "to_id"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("link_back", "link", ["namespace_id", "to_kind", "to_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("item_id", _NUMBER, nullable=False),
        sa.Column("payload", sa.Text(), server_default="{}", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("available_at", sa.Double(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "task", "kind", "item_id", name="outbox_item"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_by_time", "outbox", ["task", "available_at"], unique=False)
    op.create_table(
        "procedure",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("task_key", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), server_default="{}", nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("successes", sa.Double(), server_default="0", nullable=False),
        sa.Column("failures", sa.Double(), server_default="0", nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "uid", name="procedure_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("procedure_by_task", "procedure", ["namespace_id", "task_key"], unique=False)
    op.create_table(
        "recalled",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("item_id", _NUMBER, nullable=False),
        sa.Column("recalled_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "fingerprint", name="recalled_fingerprint"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "recalled_by_item", "recalled", ["namespace_id", "kind", "item_id"], unique=False
    )
    op.create_table(
        "summary",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "subject", name="summary_subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tombstone",
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=True),
        sa.Column("erased_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("namespace_id", "uid"),
    )
    op.create_table(
        "artifact_part",
        sa.Column("artifact_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifact.id"]),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("artifact_id", "start"),
    )
    op.create_table(
        "fact",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("subject_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("predicate", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Double(), nullable=True),
        sa.Column("valid_to", sa.Double(), nullable=True),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.Column("supersedes_id", _NUMBER, nullable=True),
        sa.Column("confidence", sa.Double(), server_default="1", nullable=False),
        sa.Column("cardinality", sa.Text(), server_default="many", nullable=False),
        sa.Column("origin", sa.Text(), server_default="rule", nullable=False),
        sa.Column("taint", sa.Text(), server_default="[]", nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.ForeignKeyConstraint(["subject_id"], ["entity.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("namespace_id", "uid", name="fact_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("fact_by_object", "fact", ["namespace_id", "object_key"], unique=False)
    op.create_index(
        "fact_by_subject", "fact", ["namespace_id", "subject_id", "predicate"], unique=False
    )
    op.create_table(
        "mention",
        sa.Column("entity_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("episode_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"]),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("entity_id", "episode_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("mention_by_episode", "mention", ["episode_id"], unique=False)
    op.create_table(
        "fact_source",
        sa.Column("fact_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("episode_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("namespace_id", _NUMBER, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.ForeignKeyConstraint(["fact_id"], ["fact.id"]),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"]),
        sa.PrimaryKeyConstraint("fact_id", "episode_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("fact_source_by_episode", "fact_source", ["episode_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        # Only which rows have a term: no text, no positions, no counts.
        op.execute(
            "create virtual table term_index using fts5("
            "terms, content='', detail=none, columnsize=0, tokenize='ascii')"
        )
    else:
        op.execute("create table term_index (rowid bigint primary key, terms tsvector not null)")
        op.execute("create index term_index_terms on term_index using gin (terms)")


def downgrade() -> None:
    """Drop the tables, with everything in them."""
    op.execute("drop table term_index")
    for table in reversed(_TABLES):
        op.drop_table(table)
