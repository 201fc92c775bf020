"""Which rows of a namespace are to go: what is asked for, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.erasure.columns import (
    BATCH,
    KINDS,
    batches,
    compared_rows,
    every_row,
    numbers_where,
    strings_in,
    words_of,
)
from treadle.memory.erasure.comparing import in_thread_if_long
from treadle.memory.erasure.doomed import SELF_STANDING, Doomed
from treadle.memory.erasure.names import named_entities, names_of
from treadle.memory.erasure.parts import artifacts_with, content_of
from treadle.memory.erasure.sought import Sought, is_proper, plain
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

_SAYS: dict[sa.Table, tuple[str, ...]] = {
    tables.episode: ("text",),
    tables.fact: ("text",),
    tables.concept: ("name", "body"),
    tables.procedure: ("task", "template"),
    tables.summary: ("text",),
    tables.artifact: ("name",),
    tables.instruction: ("text", "outcome"),
}
"""The columns that say what an item is about; the other words tell where it is from."""

_DERIVED = tuple(each for each in SELF_STANDING if each not in (tables.episode, tables.fact))


async def select(
    partition: Partition, *, subject: str | None = None, episodes: Collection[str] = ()
) -> Doomed:
    """What goes with a subject, or with episodes: they, and what has come from them alone."""
    doomed = Doomed()
    if subject is not None:
        doomed.names = await names_of(partition, subject)
        await _named(partition, doomed, Sought(doomed.names))
    await _by_uid(partition, doomed, episodes)
    await _follow(partition, doomed)
    return doomed


async def select_old(partition: Partition, numbers: Collection[int]) -> Doomed:
    """What goes with episodes that are too old, or too many, by their numbers.

    Of people what is summed up of facts that go is void, and made again of what stays; the rest is
    no copy of an episode.
    """
    doomed = Doomed()
    await _load(partition, doomed, tables.episode, numbers)
    await _unsupported_facts(partition, doomed)
    await _repetitions(partition, doomed)
    await _about(partition, doomed)
    doomed.subjects = await _subjects(partition, doomed.of(tables.fact))
    await _derived(partition, doomed)
    return doomed


async def _subjects(partition: Partition, facts: Collection[int]) -> set[str]:
    """The names under which summaries have those whom these facts are about."""
    entity = tables.entity.c
    numbers = await numbers_where(partition, tables.fact.c.subject_id, tables.fact.c.id, facts)
    keys: set[str] = set()
    for some in batches(numbers):
        query = partition.rows(tables.entity, entity.key).where(entity.id.in_(some))
        keys.update(map(plain, (await partition.execute(query)).scalars()))
    return keys


async def _follow(partition: Partition, doomed: Doomed) -> None:
    await _unsupported_facts(partition, doomed)
    await _repetitions(partition, doomed)
    await _about(partition, doomed)
    await _derived(partition, doomed)


async def _named(partition: Partition, doomed: Doomed, sought: Sought) -> None:
    """What bears a name, in any of its words."""
    lower_only = 0
    for table in (*SELF_STANDING, tables.outbox):
        named = compared_rows(
            partition,
            table,
            words_of(table),
            lambda strings: [each for each in strings if sought.named_in(each)],
        )
        async for row, found in named:
            if found:
                _add(doomed, table, row)
                if table is not tables.outbox:
                    lower_only += _only_in_lower_case(found, doomed.names)
    for number in await artifacts_with(partition, sought):
        await _load(partition, doomed, tables.artifact, [number])
    entities = await named_entities(partition, sought, doomed)
    doomed.of(tables.entity).update(entities)
    mention, fact = tables.mention.c, tables.fact.c
    mentioning = await numbers_where(partition, mention.episode_id, mention.entity_id, entities)
    await _load(partition, doomed, tables.episode, mentioning)
    about = await numbers_where(partition, fact.id, fact.subject_id, entities)
    await _load(partition, doomed, tables.fact, about)
    if lower_only:
        doomed.notes.append(
            f"{lower_only} of the rows have the name in lower case only; it may be a word there"
        )


def _only_in_lower_case(found: Sequence[str], names: Collection[str]) -> bool:
    proper = [name for name in names if name != name.lower()]
    return bool(proper) and not any(name in text for name in proper for text in found)


async def _by_uid(partition: Partition, doomed: Doomed, uids: Collection[str]) -> None:
    wanted = list(uids)
    columns = words_of(tables.episode)
    for start in range(0, len(wanted), BATCH):
        query = partition.rows(tables.episode, tables.episode.c.id, *columns).where(
            tables.episode.c.uid.in_(wanted[start : start + BATCH])
        )
        for row in await partition.execute(query):
            _add(doomed, tables.episode, row)


async def _load(
    partition: Partition, doomed: Doomed, table: sa.Table, numbers: Collection[int]
) -> None:
    columns = words_of(table)
    for some in batches(set(numbers) - doomed.of(table)):
        query = partition.rows(table, table.c.id, *columns).where(table.c.id.in_(some))
        for row in (await partition.execute(query)).all():
            _add(doomed, table, row)
            if table is tables.artifact:
                doomed.texts.append(await content_of(partition, row.id))


def _add(doomed: Doomed, table: sa.Table, row: sa.Row[Any]) -> None:
    saying = _SAYS.get(table, ())
    columns = words_of(table)
    doomed.add(
        table,
        row.id,
        *strings_in(row, [each for each in columns if each.name in saying]),
    )
    doomed.pieces.update(
        each
        for each in strings_in(row, [each for each in columns if each.name not in saying])
        if each
    )
    if table is tables.episode and row.actor:
        doomed.subjects.add(plain(row.actor))


async def _unsupported_facts(partition: Partition, doomed: Doomed) -> None:
    """Facts that only erased episodes say; another one that says so keeps a fact."""
    source = tables.fact_source
    gone = doomed.of(tables.episode)
    facts = await numbers_where(partition, source.c.fact_id, source.c.episode_id, gone)
    unsupported = set(facts)
    for some in batches(facts):
        query = partition.rows(source, source.c.fact_id, source.c.episode_id).where(
            source.c.fact_id.in_(some)
        )
        for row in await partition.execute(query):
            if row.episode_id not in gone:
                unsupported.discard(row.fact_id)
    await _load(partition, doomed, tables.fact, unsupported)


async def _repetitions(partition: Partition, doomed: Doomed) -> None:
    """What the ledger has kept of other times at which an erased fact was said; it has no source.

    Where another fact says the same and stays, so do they.
    """
    fact = tables.fact.c
    same = (fact.subject_id, fact.predicate, fact.object_key)
    said: set[tuple[int, str, str]] = set()
    for some in batches(doomed.of(tables.fact)):
        query = partition.rows(tables.fact, *same).where(fact.id.in_(some))
        said.update(tuple(row) for row in await partition.execute(query))
    found: dict[tuple[int, str, str], set[int]] = {}
    stays: set[tuple[int, str, str]] = set()
    for some in batches({subject for subject, _, _ in said}):
        query = partition.rows(
            tables.fact, fact.id, *same, fact.recorded_at, fact.retired_at, fact.terms
        ).where(fact.subject_id.in_(some))
        for row in await partition.execute(query):
            key = (row.subject_id, row.predicate, row.object_key)
            if key not in said or row.id in doomed.of(tables.fact):
                continue
            if row.retired_at == row.recorded_at and not row.terms:
                found.setdefault(key, set()).add(row.id)
            else:
                stays.add(key)
    for key, numbers in found.items():
        if key not in stays:
            await _load(partition, doomed, tables.fact, numbers)


async def _about(partition: Partition, doomed: Doomed) -> None:
    """Whom the erased is about: their summaries are void, and they go where nothing is left."""
    mention, fact, entity = tables.mention.c, tables.fact.c, tables.entity
    doomed.touched |= doomed.of(entity)
    doomed.touched |= await numbers_where(
        partition, mention.entity_id, mention.episode_id, doomed.of(tables.episode)
    )
    doomed.touched |= await numbers_where(
        partition, fact.subject_id, fact.id, doomed.of(tables.fact)
    )
    for some in batches(doomed.touched):
        query = partition.rows(entity, entity.c.name, entity.c.key).where(entity.c.id.in_(some))
        for row in await partition.execute(query):
            doomed.subjects.update((plain(row.name), plain(row.key)))
            doomed.pieces.update((row.name, row.key))


async def _derived(partition: Partition, doomed: Doomed) -> None:
    """What was made of the erased: what quotes it, names it as its source, or sums it up."""
    sought = await in_thread_if_long(doomed.texts, lambda: Sought((), doomed.texts))
    uids = await _uids(partition, doomed)
    for table in _DERIVED:
        columns = words_of(table)
        quoting = compared_rows(
            partition, table, columns, lambda strings: any(map(sought.quoted_in, strings))
        )
        async for row, quotes in quoting:
            if row.id in doomed.of(table):
                continue
            stale = table is tables.summary and plain(row.subject) in doomed.subjects
            sourced = "source" in table.c and row._mapping["source"] in uids
            if stale or sourced or quotes:
                # What else it says may stay, elsewhere: it is not sought.
                doomed.of(table).add(row.id)
                doomed.pieces.update(each for each in strings_in(row, columns) if each)
    if sought.texts:
        for number in await artifacts_with(partition, sought):
            await _load(partition, doomed, tables.artifact, [number])
    await _linked(partition, doomed)


async def _uids(partition: Partition, doomed: Doomed) -> set[str]:
    found: set[str] = set()
    for table in (tables.episode, tables.fact):
        for some in batches(doomed.of(table)):
            query = partition.rows(table, table.c.uid).where(table.c.id.in_(some))
            found.update((await partition.execute(query)).scalars())
    return found


async def _linked(partition: Partition, doomed: Doomed) -> None:
    """Concepts, procedures and artifacts whose links lead to nothing but erased episodes."""
    link = tables.link
    gone = doomed.of(tables.episode)
    made: dict[Kind, sa.Table] = {kind: table for table, kind in KINDS.items() if table in _DERIVED}
    reached: set[tuple[int, int]] = set()
    for some in batches(gone):
        query = partition.rows(link, link.c.from_kind, link.c.from_id).where(
            link.c.to_kind == int(Kind.EPISODE), link.c.to_id.in_(some)
        )
        reached.update((row.from_kind, row.from_id) for row in await partition.execute(query))
    for kind, number in sorted(reached):
        table = made.get(Kind(kind))
        if table is None:
            continue
        query = partition.rows(link, link.c.to_id).where(
            link.c.from_kind == kind,
            link.c.from_id == number,
            link.c.to_kind == int(Kind.EPISODE),
        )
        if set((await partition.execute(query)).scalars()) <= gone:
            await _load(partition, doomed, table, [number])


async def select_all(partition: Partition) -> Doomed:
    """Everything in the namespace."""
    doomed = Doomed()
    for table in SELF_STANDING:
        async for row in every_row(partition, table, *words_of(table)):
            _add(doomed, table, row)
            if table is tables.artifact:
                doomed.texts.append(await content_of(partition, row.id))
    entity = tables.entity
    async for row in every_row(partition, entity, entity.c.name):
        doomed.of(entity).add(row.id)
        doomed.pieces.add(row.name)
        if is_proper(row.name):
            doomed.called.add(row.name)
    return doomed
