"""That rows are erased and the files are not clean yet, kept where a crash cannot take it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import sqlalchemy as sa

from treadle.core.database import Database
from treadle.memory import tables
from treadle.memory.store import Partition

TASK = "erase"
"""The task in the outbox."""


async def mark(partition: Partition) -> int:
    """Say, with the erasure in one transaction, that it is to be finished; the mark's number."""
    return await partition.add(
        tables.outbox,
        task=TASK,
        kind=-1,
        item_id=secrets.randbits(62),  # there may be several
        available_at=partition.now,
    )


async def mark_somewhere(database: Database) -> None:
    """Say so in whatever namespace there is: a namespace that was erased must not come back."""
    outbox, space = tables.outbox, tables.namespace
    async with database.writing() as connection:
        number = (await connection.execute(sa.select(sa.func.min(space.c.id)))).scalar()
        if number is None:
            return
        await connection.execute(
            sa.insert(outbox).values(
                namespace_id=number,
                task=TASK,
                kind=-1,
                item_id=secrets.randbits(62),
                available_at=0.0,
            )
        )


async def marks(database: Database) -> Sequence[int]:
    """The marks that are there, of all namespaces: the files are those of all."""
    outbox = tables.outbox
    async with database.reading() as connection:
        found = await connection.execute(sa.select(outbox.c.id).where(outbox.c.task == TASK))
        return found.scalars().all()


async def unmark(database: Database, numbers: Sequence[int]) -> None:
    """The files are clean of what these marks were about."""
    outbox = tables.outbox
    async with database.writing() as connection:
        await connection.execute(
            sa.delete(outbox).where(outbox.c.task == TASK, outbox.c.id.in_(numbers))
        )
