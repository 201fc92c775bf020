"""Whether what was said once still stands, or has been overtaken by something said later."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.fence import numbered, owned
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

_fact = tables.fact
_source = tables.fact_source


async def overtaken(
    partition: Partition, items: Collection[tuple[int, int]], at: float
) -> set[tuple[int, int]]:
    """Those of `items` (kind and number) whose facts no longer hold at `at`, none of them.

    An episode that no fact was drawn from cannot be overtaken.
    """
    holds = sa.case(
        (
            _fact.c.retired_at.is_(None) & (_fact.c.valid_to.is_(None) | (_fact.c.valid_to > at)),
            1,
        ),
        else_=0,
    )
    gone: set[tuple[int, int]] = set()
    episodes = [number for kind, number in items if kind == Kind.EPISODE]
    if episodes:
        query = (
            partition.rows(_source, _source.c.episode_id)
            .select_from(_source)
            .join(_fact, (_fact.c.id == _source.c.fact_id) & owned(partition, _fact))
            .where(_source.c.episode_id.in_(episodes))
            .group_by(_source.c.episode_id)
            .having(sa.func.max(holds) == 0)
        )
        found = await partition.execute(query)
        gone |= {(int(Kind.EPISODE), number) for (number,) in found}
    facts = [number for kind, number in items if kind == Kind.FACT]
    if facts:
        found = await partition.execute(
            sa.select(_fact.c.id).where(numbered(partition, _fact, facts), holds == 0)
        )
        gone |= {(int(Kind.FACT), number) for (number,) in found}
    return gone
