"""What a file of memory looks like: one JSON object in a line, numbers of rows nowhere.

The first line is the manifest, `{"format", "version", "namespace", "embeddings"}`; the last one
`{"end": {table: lines}, "sha256": of all lines before it}`. Between them a line
`{"in": "namespace", ...}` begins a namespace, and those after it are rows in it, by table and in
the order in which they were written. What refers to a row does so by its id, or by the key of an
entity.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from treadle.core.json_value import JsonValue
from treadle.memory import tables
from treadle.memory.kinds import Kind

FORMAT = "treadle-memory"
VERSION = 1

BATCH = 500
"""Rows that are in memory at once."""

MOST_LINE = 64 * 1024 * 1024
"""Bytes of one line."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one table are written.

    references: columns that hold the number of a row of another table, with that table.
    items: pairs of columns that hold the kind and the number of an item.
    identity: the columns by which a row is known; those that refer, as they are referred to.
    indexed: the kind under which its rows are in the index of terms.
    """

    table: sa.Table
    identity: tuple[str, ...]
    references: Mapping[str, sa.Table]
    items: Mapping[str, str]
    indexed: Kind | None = None

    @property
    def has_number(self) -> bool:
        """Whether its rows have numbers, and so an order."""
        return "id" in self.table.c

    @property
    def is_named(self) -> bool:
        """Whether its rows are known by what they hold, not by what they refer to."""
        return not any(each in self.references or each in self.items for each in self.identity)

    @property
    def columns(self) -> tuple[sa.Column[object], ...]:
        """Those that are written."""
        hidden = {"id", "namespace_id", *_OWN_BUSINESS.get(self.table.name, ())}
        return tuple(each for each in self.table.c if each.name not in hidden)


_OWN_BUSINESS = {"outbox": ("owner", "lease_until")}
"""Columns that are about the processes at a store."""


def _shape(
    table: sa.Table,
    *identity: str,
    items: Mapping[str, str] | None = None,
    indexed: Kind | None = None,
    **references: sa.Table,
) -> Shape:
    return Shape(table, identity, references, items or {}, indexed)


_ITEM = {"item_id": "kind"}

SHAPES: tuple[Shape, ...] = (
    _shape(tables.entity, "key"),
    _shape(tables.episode, "uid", indexed=Kind.EPISODE, previous_id=tables.episode),
    _shape(
        tables.mention,
        "entity_id",
        "episode_id",
        entity_id=tables.entity,
        episode_id=tables.episode,
    ),
    _shape(
        tables.fact,
        "uid",
        indexed=Kind.FACT,
        subject_id=tables.entity,
        supersedes_id=tables.fact,
    ),
    _shape(
        tables.fact_source,
        "fact_id",
        "episode_id",
        fact_id=tables.fact,
        episode_id=tables.episode,
    ),
    _shape(tables.concept, "uid", indexed=Kind.CONCEPT, previous_id=tables.concept),
    _shape(tables.procedure, "uid", indexed=Kind.PROCEDURE),
    _shape(tables.summary, "subject"),
    _shape(tables.artifact, "uid"),
    _shape(tables.artifact_part, "artifact_id", "start", artifact_id=tables.artifact),
    _shape(tables.instruction, "job", "position"),
    _shape(tables.embedding, "model", "kind", "item_id", items=_ITEM),
    _shape(
        tables.link,
        "from_kind",
        "from_id",
        "relation",
        "to_kind",
        "to_id",
        items={"from_id": "from_kind", "to_id": "to_kind"},
    ),
    _shape(tables.recalled, "fingerprint", items=_ITEM),
    _shape(tables.outbox, "task", "kind", "item_id", items=_ITEM),
    _shape(tables.tombstone, "uid"),
)
"""In an order in which rows come after those that they must refer to.

Tombstones come last: they keep out what others bring, not what stands in the same file."""

BY_NAME = {shape.table.name: shape for shape in SHAPES}

ITEM_TABLES: Mapping[int, sa.Table] = {
    int(Kind.EPISODE): tables.episode,
    int(Kind.FACT): tables.fact,
    int(Kind.CONCEPT): tables.concept,
    int(Kind.PROCEDURE): tables.procedure,
    int(Kind.ARTIFACT): tables.artifact,
}

NAMESPACE_COLUMNS = ("created_at", "last_recorded", "most_episodes", "most_bytes", "keep_seconds")


def known_by(table: sa.Table) -> sa.Column[str]:
    """The column by which rows of `table` are referred to in a file."""
    return table.c.key if table is tables.entity else table.c.uid


def written(value: object) -> JsonValue:
    """A value of a column as JSON."""
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode("ascii")
    assert value is None or isinstance(value, str | int | float)
    return value
