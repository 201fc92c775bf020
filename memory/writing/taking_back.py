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


async def take_back(partition: Partition, ledger: Ledger, chain: Sequence[sa.Row[Any]]) -> None:
    """Retire the last row of `chain`: all that a fact has been, the oldest first."""
    wrong = chain[-1]
    if wrong.retired_at is not None:
        return
    await partition.execute(
        partition.update(_fact).where(_fact.c.id == wrong.id).values(retired_at=partition.now)
    )
    about = (_fact.c.subject_id == wrong.subject_id, _fact.c.predicate == wrong.predicate)
    query = fact_rows(partition).where(
        *about,
        # What is retired in the transaction in which a fact is recorded gives way to it.
        _fact.c.retired_at.in_([row.recorded_at for row in chain]),
        _fact.c.recorded_at < _fact.c.retired_at,
        _fact.c.object_key != wrong.object_key,
    )
    rows = (await partition.execute(query.order_by(_fact.c.id))).all()
    for row, fact in zip(rows, await facts_of(partition, rows), strict=True):
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
