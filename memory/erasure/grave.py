"""What stays of a namespace that was erased as a whole: tombstones, without its name."""

from __future__ import annotations

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.erasure.tombstones import grave_of
from treadle.memory.store import Partition


async def bury_namespace(partition: Partition) -> None:
    """Take the name from an emptied namespace: one of that name begins anew."""
    space = tables.namespace
    grave = grave_of(partition.namespace)
    query = sa.select(space.c.id).where(
        space.c.tenant == grave["tenant"], space.c.path == grave["path"]
    )
    number = (await partition.execute(query)).scalar_one_or_none()
    if number is None:
        await partition.execute(
            sa.update(space)
            .where(space.c.id == partition.id)
            .values(
                **grave,
                episodes=0,
                terms=0,
                changes=space.c.changes + 1,
                most_episodes=None,
                most_bytes=None,
                keep_seconds=None,
            )
        )
        return
    both = {"own": partition.id, "grave": number}
    for statement in (
        "update tombstone set namespace_id = :grave where namespace_id = :own and uid not in"
        " (select uid from tombstone where namespace_id = :grave)",
        "delete from tombstone where namespace_id = :own",
        "update outbox set namespace_id = :grave where namespace_id = :own",
        "delete from namespace where id = :own",
    ):
        used = {name: value for name, value in both.items() if f":{name}" in statement}
        await partition.raw(statement, used)
