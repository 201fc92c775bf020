"""What referred to erased rows as those before them refers to those before these."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.erasure.columns import batches
from treadle.memory.erasure.doomed import Doomed
from treadle.memory.store import Partition

_CHAINS = (
    tables.episode.c.previous_id,
    tables.concept.c.previous_id,
    tables.fact.c.supersedes_id,
)


async def repair_chains(partition: Partition, doomed: Doomed) -> None:
    """Close the gaps that the doomed rows are about to leave in chains of rows."""
    for column in _CHAINS:
        table = column.table
        assert isinstance(table, sa.Table)
        await _repair(partition, table, column, doomed.of(table))


async def _repair(
    partition: Partition, table: sa.Table, column: sa.Column[int], gone: Collection[int]
) -> None:
    before: dict[int, int | None] = {}
    followers: list[tuple[int, int]] = []
    for some in batches(gone):
        own = partition.rows(table, table.c.id, column.label("at")).where(table.c.id.in_(some))
        before.update({row.id: row.at for row in await partition.execute(own)})
        after = partition.rows(table, table.c.id, column.label("at")).where(column.in_(some))
        followers.extend((row.id, row.at) for row in await partition.execute(after))
    for number, at in followers:
        if number in before:
            continue
        found: int | None = at
        seen: set[int] = set()
        while found is not None and found in before and found not in seen:
            seen.add(found)
            found = before[found]
        if found in before:
            found = None  # a ring, which only damage makes
        await partition.execute(
            partition.update(table).where(table.c.id == number).values({column.name: found})
        )
