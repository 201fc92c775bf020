"""The items that recall gives, read whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.fact import Fact
from treadle.memory.fence import owned
from treadle.memory.kinds import Kind
from treadle.memory.recall.reading import given
from treadle.memory.store import Partition
from treadle.memory.writing.episode_rows import episode_of
from treadle.memory.writing.fact_rows import facts_of

_episode, _fact, _entity = tables.episode, tables.fact, tables.entity
_before, _superseded = _episode.alias("before"), _fact.alias("superseded")

_LEFT_OUT = ("terms", "length")
_OF_EPISODE = (
    *(each for each in _episode.c if each.name not in _LEFT_OUT),
    _before.c.uid.label("previous_uid"),
)
_OF_FACT = (
    *(each for each in _fact.c if each.name not in _LEFT_OUT),
    _entity.c.name.label("subject"),
    _superseded.c.uid.label("supersedes_uid"),
)


async def items(
    partition: Partition, numbers: Mapping[Kind, Collection[int]]
) -> dict[tuple[Kind, int], Episode | Fact]:
    """The episodes and facts with these numbers, as far as they are of the namespace."""
    found: dict[tuple[Kind, int], Episode | Fact] = {}
    if numbers.get(Kind.EPISODE):
        for row in await partition.execute(_episodes(partition, numbers[Kind.EPISODE])):
            found[Kind.EPISODE, row.id] = episode_of(row)
    if numbers.get(Kind.FACT):
        rows: Sequence[sa.Row[tuple[object, ...]]] = (
            await partition.execute(_facts(partition, numbers[Kind.FACT]))
        ).all()
        for row, fact in zip(rows, await facts_of(partition, rows), strict=True):
            found[Kind.FACT, row.id] = fact
    return found


def _episodes(partition: Partition, numbers: Collection[int]) -> sa.Select[tuple[object, ...]]:
    linked = (_before.c.id == _episode.c.previous_id) & owned(partition, _before)
    return (
        sa.select(*_OF_EPISODE)
        .select_from(_episode.outerjoin(_before, linked))
        .where(owned(partition, _episode), _episode.c.id.in_(given(partition, numbers)))
    )


def _facts(partition: Partition, numbers: Collection[int]) -> sa.Select[tuple[object, ...]]:
    named = (_entity.c.id == _fact.c.subject_id) & owned(partition, _entity)
    linked = (_superseded.c.id == _fact.c.supersedes_id) & owned(partition, _superseded)
    return (
        sa.select(*_OF_FACT)
        .select_from(_fact.join(_entity, named).outerjoin(_superseded, linked))
        .where(owned(partition, _fact), _fact.c.id.in_(given(partition, numbers)))
    )
