"""The tables of checkpoints and items, for queries; the migration 0003 makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, LargeBinary, MetaData, Table, Text

_schema = MetaData()

checkpoint = Table(
    "checkpoint",
    _schema,
    Column("tenant", Text, primary_key=True),
    Column("thread_id", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("checkpoint_id", Text, primary_key=True),
    Column("parent_id", Text),
    Column("run_id", Text),
    Column("kind", Text),
    Column("body", LargeBinary),
    Column("metadata_kind", Text),
    Column("metadata", LargeBinary),
    Column("channels", Text),
    Column("written_at", Double),
)
"""What a thread was at some moment, but for the values of its channels.

kind, body: as the serializer gave them; metadata_kind and metadata likewise.
channels: a JSON object, of each channel the version that it had.
"""

checkpoint_value = Table(
    "checkpoint_value",
    _schema,
    Column("tenant", Text, primary_key=True),
    Column("thread_id", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("kind", Text),
    Column("body", LargeBinary),
)
"""The value of a channel at one version, once for all checkpoints that have it."""

checkpoint_write = Table(
    "checkpoint_write",
    _schema,
    Column("tenant", Text, primary_key=True),
    Column("thread_id", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("checkpoint_id", Text, primary_key=True),
    Column("task_id", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("task_path", Text),
    Column("channel", Text),
    Column("kind", Text),
    Column("body", LargeBinary),
)
"""What tasks have written since a checkpoint; they make the next one.

position: below zero for LangGraph's own channels (errors, interrupts and so on).
"""

store_item = Table(
    "store_item",
    _schema,
    Column("item_id", BigInteger, primary_key=True),
    Column("tenant", Text),
    Column("namespace", Text),
    Column("key", Text),
    Column("value", Text),
    Column("created_at", Double),
    Column("updated_at", Double),
    Column("ttl_minutes", Double),
    Column("expires_at", Double),
)
"""An item of a store; `namespace` has its labels with dots between them, `value` is JSON."""

store_vector = Table(
    "store_vector",
    _schema,
    Column("item_id", BigInteger, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("vector", LargeBinary),
)
"""Where a text of an item lies in the space of an embedding: float32, little endian."""

CHECKPOINT_TABLES = (checkpoint_write, checkpoint_value, checkpoint)
"""All that is kept of a thread."""
