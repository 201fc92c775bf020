"""What recall reads: lists of items by term, and items with those around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind
from treadle.memory.recall.candidates import Postings
from treadle.memory.recall.entry import Entry
from treadle.memory.store import Partition

MOST_ROWS = 2_000
"""Of one term, the newest first."""

MOST_ROWS_PAST = 20_000
"""Of one term, where only what is older than some time counts."""

_episode, _fact = tables.episode, tables.fact


@dataclass(frozen=True, slots=True)
class Times:
    """Of which times the answer is, in seconds.

    as_of: of the world; episodes after it are left out where it was asked for (`bounded`).
    known_at: of the store; None for now.
    """

    as_of: float
    bounded: bool
    known_at: float | None

    @property
    def past(self) -> bool:
        """Whether anything that is there may be too new."""
        return self.bounded or self.known_at is not None

    def episodes(self) -> list[sa.ColumnElement[bool]]:
        """The conditions on episodes."""
        found: list[sa.ColumnElement[bool]] = []
        if self.bounded:
            found.append(_episode.c.occurred_at <= self.as_of)
        if self.known_at is not None:
            found.append(_episode.c.recorded_at <= self.known_at)
        return found

    def facts(self) -> list[sa.ColumnElement[bool]]:
        """The conditions on facts: held then, and believed then."""
        column = _fact.c
        found = [
            column.valid_from.is_(None) | (column.valid_from <= self.as_of),
            column.valid_to.is_(None) | (column.valid_to > self.as_of),
        ]
        if self.known_at is None:
            return [*found, column.retired_at.is_(None)]
        return [
            *found,
            column.recorded_at <= self.known_at,
            column.retired_at.is_(None) | (column.retired_at > self.known_at),
        ]


async def sizes(partition: Partition) -> tuple[int, float]:
    """How many episodes the namespace has, and how many terms one has on average."""
    column = tables.namespace.c
    query = sa.select(column.episodes, column.terms).where(column.id == partition.id)
    row = (await partition.execute(query)).first()
    if row is None or row.episodes <= 0:
        return 0, 1.0
    return row.episodes, max(row.terms / row.episodes, 1.0)


async def postings(
    partition: Partition, kinds: Sequence[Kind], terms: Sequence[str], most: int
) -> dict[Kind, list[Postings]]:
    """For each kind and term the newest `most` items, read in one statement."""
    asked = [(kind, term) for kind in kinds for term in terms]
    if not asked:
        return {kind: [] for kind in kinds}
    values: dict[str, object] = {
        f"token{at}": lexical_index.token(partition.id, kind, term)
        for at, (kind, term) in enumerate(asked)
    }
    sql = _union(len(asked), partition.is_sqlite)
    rows = await partition.raw(sql, {**values, "most": most})
    listed: dict[int, list[int]] = {}
    for row in rows:
        if row.found:
            found = [int(each) // lexical_index.KINDS for each in row.found.split(",")]
            listed[int(row.place)] = sorted(found, reverse=True)
    made: dict[Kind, list[Postings]] = {kind: [] for kind in kinds}
    for at, (kind, term) in enumerate(asked):
        numbers = listed.get(at, [])
        made[kind].append(Postings(term, numbers, len(numbers) < most))
    return made


@lru_cache(maxsize=128)
def _union(count: int, is_sqlite: bool) -> str:
    match = lexical_index.MATCH_SQLITE if is_sqlite else lexical_index.MATCH_POSTGRESQL
    joined = "group_concat(rowid)" if is_sqlite else "string_agg(cast(rowid as text), ',')"
    # Only numbers of places are written into it; what is looked for goes in as values.
    return " union all ".join(
        f"select {at} as place, {joined} as found from "  # noqa: S608
        f"({match.replace(':token', f':token{at}')} order by rowid desc limit :most) as list{at}"
        for at in range(count)
    )


async def episodes(partition: Partition, numbers: Collection[int], times: Times) -> list[Entry]:
    """The episodes with these numbers, as far as they are of the namespace and the times."""
    return await _episodes(partition, _episode.c.id.in_(sorted(numbers)), times)


async def linked(
    partition: Partition, numbers: Collection[int], previous: Collection[int], times: Times
) -> list[Entry]:
    """The episodes with these numbers, and those that follow `previous` in their threads.

    Where threads are told in turn, what follows in a thread does not follow in number.
    """
    condition = _episode.c.id.in_(sorted(numbers)) | _episode.c.previous_id.in_(sorted(previous))
    return await _episodes(partition, condition, times)


async def facts(partition: Partition, numbers: Collection[int], times: Times) -> list[Entry]:
    """The facts with these numbers that hold and are believed at the times."""
    column = _fact.c
    query = partition.rows(
        _fact, column.id, column.text, column.terms, column.valid_from, column.recorded_at
    ).where(column.id.in_(sorted(numbers)), *times.facts())
    return [
        Entry(
            number=row.id,
            kind=Kind.FACT,
            text=row.text,
            terms=row.terms.split(),
            time=row.recorded_at if row.valid_from is None else row.valid_from,
        )
        for row in await partition.execute(query)
    ]


async def _episodes(
    partition: Partition, condition: sa.ColumnElement[bool], times: Times
) -> list[Entry]:
    column = _episode.c
    query = partition.rows(
        _episode,
        column.id,
        sa.func.substr(column.text, 1, _SHOWN),
        column.terms,
        column.actor,
        column.thread,
        column.previous_id,
        column.occurred_at,
        column.uses,
    ).where(condition, *times.episodes())
    return [_entry(row) for row in await partition.execute(query)]


_SHOWN = 2_000
"""Characters of a text that scoring looks at."""

_MOST_TERMS = 2_000
"""Terms of a text, likewise: a question takes no longer because a text is a book."""


def _entry(row: sa.Row[Any]) -> Entry:
    number, text, terms, actor, thread, previous, time, uses = tuple(row)
    return Entry(
        number=number,
        kind=Kind.EPISODE,
        text=text,
        terms=terms.split(None, _MOST_TERMS)[:_MOST_TERMS],
        actor=actor,
        thread=thread,
        previous=previous,
        time=time,
        uses=uses,
    )
