"""Facts as they come out of the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.fact import Fact
from treadle.memory.fence import numbered, owned
from treadle.memory.kinds import Origin
from treadle.memory.store import Partition
from treadle.memory.times import moment

_fact = tables.fact
_entity = tables.entity
_source = tables.fact_source
_episode = tables.episode


def fact_rows(partition: Partition, numbers: Collection[int] | None = None) -> sa.Select[Any]:
    """A query for the facts of a namespace, with their subjects and what they supersede.

    numbers: those with these numbers; None for all.
    """
    before = _fact.alias("before")
    return (
        sa.select(
            *(column for column in _fact.c if column.name not in ("terms", "length")),
            _entity.c.name.label("subject"),
            before.c.uid.label("supersedes_uid"),
        )
        .select_from(_fact)
        .where(partition.owns(_fact) if numbers is None else numbered(partition, _fact, numbers))
        .join(_entity, (_entity.c.id == _fact.c.subject_id) & owned(partition, _entity))
        .outerjoin(before, (before.c.id == _fact.c.supersedes_id) & owned(partition, before))
    )


async def facts_of(partition: Partition, rows: Sequence[sa.Row[Any]]) -> tuple[Fact, ...]:
    """The facts of rows that `fact_rows` gave, with their sources."""
    numbers = [row.id for row in rows]
    sources: dict[int, list[str]] = {number: [] for number in numbers}
    for start in range(0, len(numbers), _AT_ONCE):
        query = (
            partition.rows(_source, _source.c.fact_id, _episode.c.uid)
            .select_from(_source)
            .join(_episode, (_episode.c.id == _source.c.episode_id) & owned(partition, _episode))
            .where(_source.c.fact_id.in_(numbers[start : start + _AT_ONCE]))
            .order_by(_source.c.episode_id)
        )
        for row in await partition.execute(query):
            sources[row.fact_id].append(row.uid)
    return tuple(_fact_of(row, tuple(sources[row.id])) for row in rows)


_AT_ONCE = 5_000


def _fact_of(row: sa.Row[Any], sources: tuple[str, ...]) -> Fact:
    recorded_at = moment(row.recorded_at)
    assert recorded_at is not None
    return Fact(
        id=row.uid,
        subject=row.subject,
        predicate=row.predicate,
        object=row.object,
        text=row.text,
        valid_from=moment(row.valid_from),
        valid_to=moment(row.valid_to),
        recorded_at=recorded_at,
        retired_at=moment(row.retired_at),
        supersedes=row.supersedes_uid,
        confidence=row.confidence,
        cardinality=row.cardinality,
        origin=Origin(row.origin),
        sources=sources,
        taint=frozenset(json.loads(row.taint)),
    )
