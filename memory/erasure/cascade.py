"""Erasing rows of a namespace, with all that hangs off them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import sqlalchemy as sa

from treadle.memory import lexical_index, tables
from treadle.memory.erasure.columns import KINDS, batches
from treadle.memory.erasure.doomed import Doomed
from treadle.memory.erasure.repair import repair_chains
from treadle.memory.erasure.tombstones import NAMED, bury, hashed, key_id, name_id
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition
from treadle.memory.writing.outbox import post

_SUMMARISE = "summarise"
"""The task of the outbox that makes missing summaries anew; `treadle.memory.working` does it."""

_NAMED: dict[sa.Table, tuple[sa.Column[str], ...]] = {
    tables.entity: (tables.entity.c.key,),
    tables.summary: (tables.summary.c.subject,),
}
"""Tables whose rows have no id of their own, and what tells them apart."""


async def erase(
    partition: Partition, doomed: Doomed, *, reason: str = "", tombstones: bool = True
) -> Counter[str]:
    """Delete what is doomed and what depends on it; rows per table.

    tombstones: whether an import or a message that is delivered again is kept from bringing it
        back; not for what has only grown old.
    """
    gone: Counter[str] = Counter()
    if tombstones:
        await _bury(partition, doomed, reason)
    await _sum_up_again(partition, doomed)
    await _unindex(partition, doomed)
    await repair_chains(partition, doomed)
    await _count_down(partition, doomed.of(tables.episode))
    for table, kind in KINDS.items():
        await _loosen(partition, gone, kind, doomed.of(table))
    await _delete(partition, gone, tables.mention.c.episode_id, doomed.of(tables.episode))
    await _delete(partition, gone, tables.fact_source.c.episode_id, doomed.of(tables.episode))
    await _delete(partition, gone, tables.fact_source.c.fact_id, doomed.of(tables.fact))
    await _delete(partition, gone, tables.artifact_part.c.artifact_id, doomed.of(tables.artifact))
    for table in (*KINDS, tables.summary, tables.instruction, tables.outbox):
        await _delete(partition, gone, table.c.id, doomed.of(table))
    await _entities(partition, gone, doomed, reason, tombstones)
    return gone


async def erase_all(partition: Partition, doomed: Doomed, reason: str) -> Counter[str]:
    """Delete every row of the namespace but its tombstones."""
    gone: Counter[str] = Counter()
    await _bury(partition, doomed, reason)
    await _unindex(partition, doomed)
    for table in reversed(tables.metadata.sorted_tables):
        if table in (tables.namespace, tables.tombstone):
            continue
        done = await partition.execute(partition.delete(table))
        gone[table.name] += done.rowcount
    return +gone


async def _sum_up_again(partition: Partition, doomed: Doomed) -> None:
    """Ask for new summaries of those of whom facts stay: theirs go for one that quoted the erased.

    It is asked for by a fact of each, as if that were new.
    """
    fact = tables.fact
    gone = doomed.of(fact)
    for some in batches(doomed.touched - doomed.of(tables.entity)):
        query = (
            partition.rows(fact, fact.c.subject_id, fact.c.id)
            .where(fact.c.subject_id.in_(some), fact.c.retired_at.is_(None))
            .order_by(fact.c.id)
        )
        rows = (await partition.execute(query)).all()
        stays = {row.subject_id: row.id for row in rows if row.id not in gone}
        await post(partition, (_SUMMARISE,), Kind.FACT, sorted(stays.values()))


async def _bury(partition: Partition, doomed: Doomed, reason: str) -> None:
    stones: list[tuple[str, int, str | None]] = []
    episode = tables.episode
    for some in batches(doomed.of(episode)):
        query = partition.rows(episode, episode.c.uid, episode.c.idempotency_key).where(
            episode.c.id.in_(some)
        )
        for row in await partition.execute(query):
            key = row.idempotency_key
            stones.append((row.uid, int(Kind.EPISODE), None if key is None else hashed(key)))
            if key is not None:
                stones.append((key_id(key), NAMED, None))
    for table, kind in KINDS.items():
        if table is not episode:
            for some in batches(doomed.of(table)):
                query = partition.rows(table, table.c.uid).where(table.c.id.in_(some))
                uids = (await partition.execute(query)).scalars()
                stones.extend((uid, int(kind), None) for uid in uids)
    for table, columns in _NAMED.items():
        stones.extend(await _named_stones(partition, table, columns, doomed.of(table)))
    instruction = tables.instruction.c
    for some in batches(doomed.of(tables.instruction)):
        query = partition.rows(tables.instruction, instruction.job, instruction.position).where(
            instruction.id.in_(some)
        )
        for row in await partition.execute(query):
            stones.append((name_id("instruction", row.job, str(row.position)), NAMED, None))
    await bury(partition, stones, reason=reason)


async def _named_stones(
    partition: Partition,
    table: sa.Table,
    columns: Iterable[sa.Column[str]],
    numbers: Collection[int],
) -> list[tuple[str, int, str | None]]:
    stones: list[tuple[str, int, str | None]] = []
    for some in batches(numbers):
        query = partition.rows(table, *columns).where(table.c.id.in_(some))
        for row in await partition.execute(query):
            stones.append((name_id(table.name, *row), NAMED, None))
    return stones


async def _unindex(partition: Partition, doomed: Doomed) -> None:
    """Take items out of the index of terms, with the terms that they went in with."""
    for table, kind in KINDS.items():
        if "terms" not in table.c:
            continue
        for some in batches(doomed.of(table)):
            query = partition.rows(table, table.c.id, table.c.terms).where(table.c.id.in_(some))
            for row in (await partition.execute(query)).all():
                await lexical_index.unindex(partition, kind, row.id, row.terms.split())


async def _count_down(partition: Partition, episodes: Collection[int]) -> None:
    """The counters of the namespace, and word to whoever has something of it in a cache."""
    episode, space = tables.episode, tables.namespace
    count = length = 0
    for some in batches(episodes):
        query = partition.rows(episode, episode.c.length).where(episode.c.id.in_(some))
        lengths = (await partition.execute(query)).scalars().all()
        count, length = count + len(lengths), length + sum(lengths)
    await partition.execute(
        sa.update(space)
        .where(space.c.id == partition.id)
        .values(
            episodes=sa.case((space.c.episodes > count, space.c.episodes - count), else_=0),
            terms=sa.case((space.c.terms > length, space.c.terms - length), else_=0),
            changes=space.c.changes + 1,
        )
    )


async def _loosen(
    partition: Partition, gone: Counter[str], kind: Kind, numbers: Collection[int]
) -> None:
    """Delete what refers to items by kind and number."""
    for table, names in (
        (tables.link, ("from_kind", "from_id")),
        (tables.link, ("to_kind", "to_id")),
        (tables.embedding, ("kind", "item_id")),
        (tables.recalled, ("kind", "item_id")),
        (tables.outbox, ("kind", "item_id")),
    ):
        for some in batches(numbers):
            done = await partition.execute(
                partition.delete(table).where(
                    table.c[names[0]] == int(kind), table.c[names[1]].in_(some)
                )
            )
            gone[table.name] += done.rowcount


async def _delete(
    partition: Partition, gone: Counter[str], column: sa.Column[int], numbers: Collection[int]
) -> None:
    table = column.table
    assert isinstance(table, sa.Table)
    for some in batches(numbers):
        done = await partition.execute(partition.delete(table).where(column.in_(some)))
        gone[table.name] += done.rowcount


async def _entities(
    partition: Partition, gone: Counter[str], doomed: Doomed, reason: str, tombstones: bool
) -> None:
    """Those whose name is sought, and those that nothing refers to any more."""
    entity, mention, fact = tables.entity, tables.mention, tables.fact
    named = doomed.of(entity)
    for some in batches(doomed.touched | named):
        used: set[int] = set()
        for column in (mention.c.entity_id, fact.c.subject_id):
            query = partition.rows(column.table, column).where(column.in_(some))
            used.update((await partition.execute(query)).scalars())
        left = set(some) - used
        if tombstones:
            stones = await _named_stones(partition, entity, (entity.c.key,), left - named)
            await bury(partition, stones, reason=reason)
        await _delete(partition, gone, entity.c.id, left)
