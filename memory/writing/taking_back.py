"""Taking a fact back: what it had put an end to holds again, where nothing else is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.fact import Fact
from treadle.memory.kinds import Origin
from treadle.memory.store import Partition
from treadle.memory.writing.fact_rows import fact_rows, facts_of
from treadle.memory.writing.ledger import Ledger, span
from treadle.memory.writing.statement import CheckedStatement, Statement

_fact = tables.fact


async def take_back_all(
    partition: Partition, ledger: Ledger, row: sa.Row[Any]
) -> Sequence[sa.Row[Any]]:
    """Take back a fact with all that it has become since; the rows that were, the oldest first.

    Where something came in between, a fact has two successors: it was wrong in both its halves.
    """
    rows = [row]
    for each in rows:
        if each.retired_at is not None:
            rows += await _successors(partition, each)
    rows = list({each.id: each for each in rows}.values())
    for each in rows:
        if each.retired_at is None:
            await take_back(partition, ledger, rows, each)
    return rows


async def deny(
    partition: Partition, ledger: Ledger, subject_ids: Sequence[int], predicate: str, key: str
) -> None:
    """Take back all trusted facts that say what somebody says was never so."""
    query = partition.rows(_fact).where(
        _fact.c.subject_id.in_(subject_ids),
        _fact.c.predicate == predicate,
        _fact.c.object_key == key,
        _fact.c.retired_at.is_(None),
        _fact.c.taint == "[]",
    )
    for wrong in (await partition.execute(query)).all():
        rows = [wrong]
        while rows[-1].supersedes_id is not None:
            before = await partition.execute(
                partition.rows(_fact).where(
                    _fact.c.id == rows[-1].supersedes_id, _fact.c.object_key == key
                )
            )
            row = before.first()
            if row is None:
                break
            rows.append(row)
        await take_back(partition, ledger, rows, wrong)


async def _successors(partition: Partition, row: sa.Row[Any]) -> Sequence[sa.Row[Any]]:
    query = partition.rows(_fact).where(
        _fact.c.supersedes_id == row.id,
        _fact.c.object_key == row.object_key,
        _fact.c.terms != "",
    )
    return (await partition.execute(query.order_by(_fact.c.id))).all()


async def take_back(
    partition: Partition, ledger: Ledger, rows: Sequence[sa.Row[Any]], wrong: sa.Row[Any]
) -> None:
    """Retire the row `wrong`. rows: all that its fact has been."""
    await partition.execute(
        partition.update(_fact).where(_fact.c.id == wrong.id).values(retired_at=partition.now)
    )
    about = (_fact.c.subject_id == wrong.subject_id, _fact.c.predicate == wrong.predicate)
    query = fact_rows(partition).where(
        *about,
        # What is retired in the transaction in which a fact is recorded gives way to it.
        _fact.c.retired_at.in_([row.recorded_at for row in rows]),
        _fact.c.recorded_at < _fact.c.retired_at,
        _fact.c.object_key != wrong.object_key,
    )
    gone = (await partition.execute(query.order_by(_fact.c.id))).all()
    for row, fact in zip(gone, await facts_of(partition, gone), strict=True):
        live = await partition.execute(
            partition.rows(_fact).where(*about, _fact.c.retired_at.is_(None))
        )
        taken = [span(each) for each in live if row.taint == each.taint]
        for start, end in _free(_common(span(wrong), span(row)), taken):
            await ledger.enter(_again(fact, row.object_key, start, end))


def _common(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return max(one[0], other[0]), min(one[1], other[1])


def _free(
    wanted: tuple[float, float], taken: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """What of `wanted` is not taken."""
    free: list[tuple[float, float]] = []
    start, end = wanted
    for begun, ended in sorted(taken):
        if ended > start and begun < end:
            if begun > start:
                free.append((start, begun))
            start = max(start, ended)
    if start < end:
        free.append((start, end))
    return free


def _again(fact: Fact, object_key: str, start: float, end: float) -> CheckedStatement:
    statement = Statement(
        subject=fact.subject,
        predicate=fact.predicate,
        object=fact.object,
        confidence=fact.confidence,
        origin=Origin(fact.origin),
        sources=fact.sources,
        taint=fact.taint,
    )
    return CheckedStatement(
        statement=statement,
        subject=fact.subject,
        predicate=fact.predicate,
        object=fact.object,
        object_key=object_key,
        cardinality=fact.cardinality,
        start=start,
        end=end if end < math.inf else math.inf,
    )
