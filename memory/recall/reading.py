"""What recall reads: lists of items by term, and items with those around them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from treadle.memory import lexical_index, tables
from treadle.memory.fence import owned
from treadle.memory.kinds import Kind, Origin
from treadle.memory.recall.candidates import Postings
from treadle.memory.recall.entry import Entry
from treadle.memory.store import Partition
from treadle.memory.text import Interval

MOST_ROWS = 2_000
"""Of one term, the newest first."""

MOST_ROWS_PAST = 20_000
"""Of one term, where only what is older than some time counts."""

_episode, _fact = tables.episode, tables.fact
_before, _after = _episode.alias("before"), _episode.alias("after")


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


@dataclass(frozen=True, slots=True)
class Listed:
    """What a namespace has of the terms of a question.

    items: how many episodes it has. mean_length: how many terms one has on average.
    lists: for each kind the newest items of each term, in the order of the terms.
    """

    items: int
    mean_length: float
    lists: dict[Kind, list[Postings]]


async def listed(
    partition: Partition, kinds: Sequence[Kind], terms: Sequence[str], most: int
) -> Listed:
    """For each kind and term the newest `most` items, and the sizes; all in one statement."""
    asked = [(kind, term) for kind in kinds for term in terms]
    values: dict[str, object] = {
        f"token{at}": lexical_index.token(partition.id, kind, term)
        for at, (kind, term) in enumerate(asked)
    }
    if asked:
        values["most"] = most
    sql = _union(len(asked), partition.is_sqlite)
    rows = await partition.raw(sql, {**values, "namespace": partition.id})
    found = {int(row.place): _numbers(row.found) for row in rows if row.found}
    made: dict[Kind, list[Postings]] = {kind: [] for kind in kinds}
    for at, (kind, term) in enumerate(asked):
        numbers = sorted(found.get(at, ()), reverse=True)
        made[kind].append(Postings(term, numbers, len(numbers) < most))
    items, length = found.get(_SIZES, [0, 0])
    if items <= 0:
        return Listed(0, 1.0, made)
    return Listed(items, max(length / items, 1.0), made)


_SIZES = -1


def _numbers(joined: str) -> list[int]:
    # Thousands of them: nothing else in Python reads numbers as fast.
    numbers: list[int] = json.loads(f"[{joined}]")
    return numbers


@lru_cache(maxsize=128)
def _union(count: int, is_sqlite: bool) -> str:
    match = lexical_index.match(is_sqlite)
    joined = "group_concat(item)" if is_sqlite else "string_agg(cast(item as text), ',')"
    # Only numbers of places are written into it; what is looked for goes in as values.
    sizes = (
        f"select {_SIZES} as place, cast(episodes as text) || ',' || cast(terms as text) as found"  # noqa: S608
        " from namespace where id = :namespace"
    )
    # Of the kind and the number that a row is made of, the number.
    match = match.replace("select rowid", f"select rowid / {lexical_index.KINDS} as item")
    lists = [
        f"select {at} as place, {joined} as found from "  # noqa: S608
        f"({match.replace(':token', f':token{at}')} order by rowid desc limit :most) as list{at}"
        for at in range(count)
    ]
    return " union all ".join([sizes, *lists])


async def episodes(
    partition: Partition, numbers: Collection[int], linked: Collection[int], times: Times
) -> list[Entry]:
    """The episodes with these numbers, and those before and after `linked` in their threads.

    As far as they are of the namespace and the times. Where threads are told in turn, what follows
    in a thread does not follow in number.
    """
    column = _episode.c
    query = sa.select(
        column.id,
        sa.func.substr(column.text, 1, _SHOWN),
        column.terms,
        column.actor,
        column.thread,
        column.previous_id,
        column.occurred_at,
        column.uses,
        column.origin,
    ).where(
        owned(partition, _episode),
        column.id.in_(_with_linked(partition, numbers, linked)),
        *times.episodes(),
    )
    return [_entry(row) for row in await partition.execute(query)]


async def within(
    partition: Partition, dates: Sequence[Interval], times: Times, most: int
) -> list[int]:
    """The numbers of the newest `most` episodes of each of the stretches of time."""
    found = list[int]()
    column = _episode.c
    for each in dates:
        query = (
            partition.rows(_episode, column.id)
            .where(
                column.occurred_at >= each.start.timestamp(),
                column.occurred_at < each.end.timestamp(),
                *times.episodes(),
            )
            .order_by(column.occurred_at.desc())
            .limit(most)
        )
        found += [row.id for row in await partition.execute(query)]
    return found


def _with_linked(
    partition: Partition, numbers: Collection[int], linked: Collection[int]
) -> sa.CompoundSelect[Any]:
    near, best = given(partition, numbers), given(partition, linked)
    return sa.union(
        near,
        sa.select(_after.c.id).where(owned(partition, _after), _after.c.previous_id.in_(best)),
        sa.select(_before.c.previous_id).where(owned(partition, _before), _before.c.id.in_(best)),
    )


def given(partition: Partition, numbers: Collection[int]) -> sa.Select[Any]:
    """`numbers` as a query, in one value however many they are."""
    if partition.is_sqlite:
        each = sa.func.json_each(json.dumps(sorted(numbers))).table_valued("value")
        return sa.select(each.c.value)
    array = sa.cast(sorted(numbers), postgresql.ARRAY(sa.BigInteger))
    return sa.select(sa.func.unnest(array))


async def facts(partition: Partition, numbers: Collection[int], times: Times) -> list[Entry]:
    """The facts with these numbers that hold and are believed at the times."""
    column = _fact.c
    query = sa.select(
        column.id,
        column.subject_id,
        column.text,
        column.terms,
        column.valid_from,
        column.recorded_at,
    ).where(owned(partition, _fact), column.id.in_(given(partition, numbers)), *times.facts())
    return [
        Entry(
            number=row.id,
            kind=Kind.FACT,
            subject=row.subject_id,
            text=row.text,
            terms=row.terms.split(None, _MOST_TERMS)[:_MOST_TERMS],
            time=row.recorded_at if row.valid_from is None else row.valid_from,
        )
        for row in await partition.execute(query)
    ]


_SHOWN = 2_000
"""Characters of a text that scoring looks at."""

_MOST_TERMS = 2_000
"""Terms of a text, likewise: a question takes no longer because a text is a book."""


def _entry(row: sa.Row[Any]) -> Entry:
    number, text, terms, actor, thread, previous, time, uses, origin = tuple(row)
    return Entry(
        number=number,
        kind=Kind.EPISODE,
        text=text,
        terms=terms.split(None, _MOST_TERMS)[:_MOST_TERMS],
        actor=actor,
        by_person=origin == Origin.USER,
        thread=thread,
        previous=previous,
        time=time,
        uses=uses,
    )
