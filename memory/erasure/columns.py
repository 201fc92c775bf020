"""Which columns of memory's tables hold words of people, and how rows are gone through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.erasure.comparing import in_thread_if_long
from treadle.memory.erasure.sought import stored_strings
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

ResultT = TypeVar("ResultT")

BATCH = 500
"""Rows that are looked at, or ids that are named, in one statement."""

KINDS: dict[sa.Table, Kind] = {
    tables.episode: Kind.EPISODE,
    tables.fact: Kind.FACT,
    tables.concept: Kind.CONCEPT,
    tables.procedure: Kind.PROCEDURE,
    tables.artifact: Kind.ARTIFACT,
}
"""The tables of items that indexes, embeddings and links refer to."""

# Hashes, names of ours, and what is derived from the words beside it.
_NO_WORDS = frozenset(
    {"uid", "terms", "content_hash", "fingerprint", "cardinality", "origin", "media_type"}
)


def words_of(table: sa.Table) -> tuple[sa.Column[str], ...]:
    """The columns of `table` that hold words of people."""
    return tuple(
        column
        for column in table.c
        if isinstance(column.type, sa.Text) and column.name not in _NO_WORDS
    )


def strings_in(row: sa.Row[Any], columns: Iterable[sa.Column[str]]) -> Iterator[str]:
    """The strings in those columns of a row."""
    for column in columns:
        value = row._mapping[column.name]
        if value:
            yield from stored_strings(value)


async def every_row(
    partition: Partition, table: sa.Table, *columns: sa.ColumnElement[Any]
) -> AsyncIterator[sa.Row[Any]]:
    """The rows of a table that numbers its rows, in order, never many at once."""
    async for rows in _portions(partition, table, *columns):
        for row in rows:
            yield row


async def compared_rows(
    partition: Partition,
    table: sa.Table,
    columns: Sequence[sa.Column[str]],
    compare: Callable[[list[str]], ResultT],
    *more: sa.Column[Any],
) -> AsyncIterator[tuple[sa.Row[Any], ResultT]]:
    """Every row, as `every_row` has them, with what `compare` gives for the strings in `columns`.

    It is called in a thread where these are long.
    """
    async for rows in _portions(partition, table, *columns, *more):

        def compared(rows: Sequence[sa.Row[Any]] = rows) -> list[ResultT]:
            return [compare(list(strings_in(row, columns))) for row in rows]

        texts = (row._mapping[each.name] or "" for row in rows for each in columns)
        for pair in zip(rows, await in_thread_if_long(texts, compared), strict=True):
            yield pair


async def _portions(
    partition: Partition, table: sa.Table, *columns: sa.ColumnElement[Any]
) -> AsyncIterator[Sequence[sa.Row[Any]]]:
    query = partition.rows(table, table.c.id, *columns).order_by(table.c.id).limit(BATCH)
    last = 0
    while True:
        found = (await partition.execute(query.where(table.c.id > last))).all()
        if found:
            yield found
        if len(found) < BATCH:
            return
        last = found[-1].id


def batches(numbers: Collection[int]) -> Iterator[list[int]]:
    """`numbers` in portions that one statement can name."""
    ordered = sorted(numbers)
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


async def numbers_where(
    partition: Partition,
    wanted: sa.Column[Any],
    column: sa.Column[Any],
    values: Collection[int],
) -> set[int]:
    """The numbers in `wanted` of the rows whose `column` is among `values`."""
    found: set[int] = set()
    for some in batches(values):
        query = partition.rows(wanted.table, wanted).where(column.in_(some))
        found.update((await partition.execute(query)).scalars())
    return found
