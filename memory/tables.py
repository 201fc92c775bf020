"""The tables of memory, for queries; the migration `v0002_memory` makes them.

Times are seconds since 1970 in UTC. Every table has the namespace of its rows, and is read and
written through a `Partition` only.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A row's own number, which tells the order of insertion and is never used again."""


def _number() -> sa.Column[int]:
    return sa.Column("id", NUMBER, primary_key=True, autoincrement=True)


def _namespace(*, primary_key: bool = False) -> sa.Column[int]:
    # No index for itself: those below begin with it.
    return sa.Column(
        "namespace_id",
        NUMBER,
        sa.ForeignKey("namespace.id"),
        nullable=False,
        primary_key=primary_key,
        autoincrement=False,
    )


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _score(name: str, default: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, server_default=default)


def _link_to(name: str, table: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        name,
        NUMBER,
        sa.ForeignKey(f"{table}.id"),
        nullable=False,
        primary_key=primary_key,
        autoincrement=False,
    )


namespace = sa.Table(
    "namespace",
    metadata,
    _number(),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    _time("created_at"),
    _score("last_recorded", "0"),
    _count("episodes"),  # those that are there
    _count("terms"),  # of all its episodes together
    _count("changes"),  # of its embeddings, for whoever caches them
    sa.Column("most_episodes", sa.BigInteger),  # policies; null: no limit
    sa.Column("most_bytes", sa.BigInteger),
    sa.Column("keep_seconds", sa.Double),
    sa.UniqueConstraint("tenant", "path", name="namespace_name"),
    sqlite_autoincrement=True,
)

episode = sa.Table(
    "episode",
    metadata,
    _number(),
    _namespace(),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    _text("actor"),
    _text("source"),
    _text("origin", "user"),
    _text("thread"),
    _time("occurred_at"),
    _time("recorded_at"),
    sa.Column("previous_id", NUMBER),
    _text("taint", "[]"),
    _text("metadata", "{}"),
    sa.Column("terms", sa.Text, nullable=False),  # analysed, in order, with spaces between them
    _count("length"),  # how many terms
    sa.Column("content_hash", sa.Text, nullable=False),  # of the text as it is
    sa.Column("fingerprint", sa.Text, nullable=False),  # of the text normalised
    sa.Column("idempotency_key", sa.Text),
    _count("uses"),
    _time("used_at", nullable=True),
    sa.UniqueConstraint("namespace_id", "uid", name="episode_uid"),
    sa.UniqueConstraint("namespace_id", "idempotency_key", name="episode_key"),
    sa.Index("episode_by_fingerprint", "namespace_id", "fingerprint"),
    sa.Index("episode_by_thread", "namespace_id", "thread", "id"),
    sa.Index("episode_by_time", "namespace_id", "occurred_at"),
    sa.Index("episode_by_previous", "previous_id"),
    sqlite_autoincrement=True,
)

entity = sa.Table(
    "entity",
    metadata,
    _number(),
    _namespace(),
    sa.Column("name", sa.Text, nullable=False),  # as it was first written
    sa.Column("key", sa.Text, nullable=False),  # normalised
    _text("kind"),
    sa.UniqueConstraint("namespace_id", "key", name="entity_key"),
    sqlite_autoincrement=True,
)

mention = sa.Table(
    "mention",
    metadata,
    _link_to("entity_id", "entity", primary_key=True),
    _link_to("episode_id", "episode", primary_key=True),
    _namespace(),
    sa.Index("mention_by_episode", "episode_id"),
    sqlite_with_rowid=False,
)

fact = sa.Table(
    "fact",
    metadata,
    _number(),
    _namespace(),
    sa.Column("uid", sa.Text, nullable=False),
    _link_to("subject_id", "entity"),
    sa.Column("predicate", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),  # normalised
    sa.Column("text", sa.Text, nullable=False),
    _time("valid_from", nullable=True),
    _time("valid_to", nullable=True),
    _time("recorded_at"),
    _time("retired_at", nullable=True),
    sa.Column("supersedes_id", NUMBER),
    _score("confidence", "1"),
    _text("cardinality", "many"),
    _text("origin", "rule"),
    _text("taint", "[]"),
    sa.Column("terms", sa.Text, nullable=False),
    _count("length"),
    sa.UniqueConstraint("namespace_id", "uid", name="fact_uid"),
    sa.Index("fact_by_subject", "namespace_id", "subject_id", "predicate"),
    sa.Index("fact_by_object", "namespace_id", "object_key"),
    sqlite_autoincrement=True,
)

fact_source = sa.Table(
    "fact_source",
    metadata,
    _link_to("fact_id", "fact", primary_key=True),
    _link_to("episode_id", "episode", primary_key=True),
    _namespace(),
    sa.Index("fact_source_by_episode", "episode_id"),
    sqlite_with_rowid=False,
)

link = sa.Table(
    "link",
    metadata,
    _namespace(primary_key=True),
    sa.Column("from_kind", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("from_id", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("relation", sa.Text, primary_key=True),
    sa.Column("to_kind", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("to_id", NUMBER, primary_key=True, autoincrement=False),
    _score("weight", "1"),
    sa.Index("link_back", "namespace_id", "to_kind", "to_id"),
    sqlite_with_rowid=False,
)

embedding = sa.Table(
    "embedding",
    metadata,
    _namespace(primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("kind", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item_id", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),  # the sign of each number
    sa.Column("vector", sa.LargeBinary, nullable=False),  # normalised, float32, little endian
    # All signatures of a namespace are read at once, without the vectors between them.
    sa.Index("embedding_signature", "namespace_id", "model", "kind", "item_id", "signature"),
)

concept = sa.Table(
    "concept",
    metadata,
    _number(),
    _namespace(),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # concept or warning
    sa.Column("name", sa.Text, nullable=False),
    _text("cues", "[]"),
    sa.Column("body", sa.Text, nullable=False),
    _text("parameters", "{}"),
    _count("version"),
    sa.Column("previous_id", NUMBER),
    _score("successes", "0"),  # outcomes, for a Beta distribution
    _score("failures", "0"),
    _time("recorded_at"),
    _time("retired_at", nullable=True),
    _text("source"),
    _text("taint", "[]"),
    sa.Column("terms", sa.Text, nullable=False),
    _count("length"),
    sa.UniqueConstraint("namespace_id", "uid", name="concept_uid"),
    sa.Index("concept_by_name", "namespace_id", "name"),
    sqlite_autoincrement=True,
)

procedure = sa.Table(
    "procedure",
    metadata,
    _number(),
    _namespace(),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # plan or tool
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("task_key", sa.Text, nullable=False),  # the task without its parameters, normalised
    sa.Column("template", sa.Text, nullable=False),
    _text("parameters", "{}"),
    sa.Column("fingerprint", sa.Text, nullable=False),  # of the tools that it uses
    _count("version"),
    _score("successes", "0"),
    _score("failures", "0"),
    _time("recorded_at"),
    _time("used_at", nullable=True),
    _time("retired_at", nullable=True),
    _text("source"),
    _text("taint", "[]"),
    sa.Column("terms", sa.Text, nullable=False),
    _count("length"),
    sa.UniqueConstraint("namespace_id", "uid", name="procedure_uid"),
    sa.Index("procedure_by_task", "namespace_id", "task_key"),
    sqlite_autoincrement=True,
)

summary = sa.Table(
    "summary",
    metadata,
    _number(),
    _namespace(),
    sa.Column("subject", sa.Text, nullable=False),  # normalised
    sa.Column("text", sa.Text, nullable=False),
    _count("version"),
    _time("updated_at"),
    _text("taint", "[]"),
    sa.UniqueConstraint("namespace_id", "subject", name="summary_subject"),
    sqlite_autoincrement=True,
)

artifact = sa.Table(
    "artifact",
    metadata,
    _number(),
    _namespace(),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    _count("version"),
    _count("size"),  # bytes
    _text("media_type", "text/plain"),
    _text("content_hash"),
    _text("metadata", "{}"),
    _text("taint", "[]"),
    _time("recorded_at"),
    sa.UniqueConstraint("namespace_id", "name", "version", name="artifact_version"),
    sqlite_autoincrement=True,
)

artifact_part = sa.Table(
    "artifact_part",
    metadata,
    _link_to("artifact_id", "artifact", primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),  # its first byte
    _namespace(),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

instruction = sa.Table(
    "instruction",
    metadata,
    _number(),
    _namespace(),
    sa.Column("job", sa.Text, nullable=False),
    _count("position"),
    sa.Column("text", sa.Text, nullable=False),
    _text("status", "open"),
    _text("artifacts", "[]"),  # names that its step may read and write
    _text("outcome"),
    _time("recorded_at"),
    _text("taint", "[]"),
    sa.UniqueConstraint("namespace_id", "job", "position", name="instruction_position"),
    sqlite_autoincrement=True,
)

recalled = sa.Table(
    "recalled",
    metadata,
    _number(),
    _namespace(),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("item_id", NUMBER, nullable=False),
    _time("recalled_at"),
    sa.UniqueConstraint("namespace_id", "fingerprint", name="recalled_fingerprint"),
    sa.Index("recalled_by_item", "namespace_id", "kind", "item_id"),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "outbox",
    metadata,
    _number(),
    _namespace(),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("item_id", NUMBER, nullable=False),
    _text("payload", "{}"),
    _count("attempts"),
    _time("available_at"),
    sa.Column("owner", sa.Text),
    _time("lease_until", nullable=True),
    _text("error"),
    sa.UniqueConstraint("namespace_id", "task", "kind", "item_id", name="outbox_item"),
    sa.Index("outbox_by_time", "task", "available_at"),
    sqlite_autoincrement=True,
)

tombstone = sa.Table(
    "tombstone",
    metadata,
    _namespace(primary_key=True),
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("key_hash", sa.Text),  # of the idempotency key
    _time("erased_at"),
    _text("reason"),
)

PARTITIONED = tuple(table for table in metadata.tables.values() if table is not namespace)
"""Every table that has a namespace, in the order of `metadata`."""
