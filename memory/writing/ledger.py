"""The ledger of facts: statements go in, code decides what they close. One transaction at a time.

A row is never changed but for being retired: what is closed or split is retired, and what is left
of it recorded anew. So what the store believed at any time (`known_at`) can be read back exactly.
A statement that carries taint closes only what carries taint: nothing that was read somewhere
overrules what a trusted source said, nor says when that ends. A trusted one cuts both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.json_value import storable_json
from treadle.core.taint import listed
from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition
from treadle.memory.text import terms
from treadle.memory.writing.entities import known_as, numbered
from treadle.memory.writing.intervals import Held, Placement, Stated, place
from treadle.memory.writing.outbox import post
from treadle.memory.writing.predicates import in_words
from treadle.memory.writing.statement import CheckedStatement

_fact = tables.fact
_source = tables.fact_source

MOST_REPETITIONS = 256
"""That are kept of one subject and predicate."""

# What is recorded and retired in one transaction for another reason was never to be seen either.
_REPETITION = (_fact.c.retired_at == _fact.c.recorded_at) & (_fact.c.terms == "")

Outcome = Literal["new", "duplicate", "revived"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a statement. number: of the row that says it. closed: ids that gave way."""

    number: int
    outcome: Outcome
    closed: tuple[str, ...] = ()


class Ledger:
    """Writes facts within one transaction.

    tasks: of the outbox, for each new fact.
    """

    def __init__(
        self, partition: Partition, new_id: Callable[[], str], tasks: Sequence[str] = ()
    ) -> None:
        self._partition = partition
        self._new_id = new_id
        self._tasks = tuple(tasks)

    async def enter(self, checked: CheckedStatement) -> Entry:
        """Enter a statement. Raises InputError (`unknown_episode`) for a source."""
        partition = self._partition
        statement = checked.statement
        sources = await self._episodes(statement.sources)
        subjects = await known_as(partition, checked.subject)
        if not subjects:
            subjects = list((await numbered(partition, {checked.subject: ""})).values())
        start = partition.now if checked.start is None else checked.start
        end = checked.end
        rows = await self._rows(subjects, checked)
        live = [row for row in rows if row.retired_at is None]
        tainted = bool(statement.taint)
        known_well = _clean_duplicate(live, checked, start) if tainted else None
        if known_well is not None:
            # Nothing untrusted counts for or against what is trusted.
            return Entry(known_well, "duplicate")
        others = [] if tainted else [row for row in live if row.taint != "[]"]
        # A trusted statement goes among the trusted ones, whatever else was read somewhere.
        live = [row for row in live if (row.taint != "[]") == tainted]
        there = [Held(row.id, (row.object_key, row.taint != "[]"), *span(row)) for row in live]
        said = [
            Stated((row.object_key, row.taint != "[]"), span(row)[0])
            for row in rows
            if _is_repetition(row) and (row.taint != "[]") == tainted
        ]
        key = (checked.object_key, tainted)
        known = {each.start for each in said if each.key == key}
        placed = place(there, key, start, end, said)
        duplicate = placed.duplicate_of
        if duplicate is not None or placed.start is None:
            # Nothing is known of a time that is not taken: what is there stands.
            number = duplicate or next(iter(row.id for row in live))
            await self._add_sources(number, sources if duplicate is not None else [])
            if duplicate is not None and len(said) < MOST_REPETITIONS:
                held = next(row for row in rows if row.id == duplicate)
                inside = [start] if start > span(held)[0] else []
                await self._repeat(held, inside, known)
            return Entry(number, "duplicate")
        placed = _cutting(placed, others)
        assert placed.start is not None
        by_number = {row.id: row for row in rows}
        revived = [
            row for row in rows if row.object_key == checked.object_key and not _is_repetition(row)
        ]
        before = placed.merged or placed.cut or tuple(row.id for row in revived[-1:])
        number = await self._new_row(checked, subjects[0], placed, by_number, before)
        await self._give_way(placed, by_number)
        await self._add_sources(number, sources)
        for merged in placed.merged:
            await self._copy_sources(merged, number)
            # Where the parts began is still known to have been said.
            starts = [start, span(by_number[merged])[0]]
            inside = [each for each in starts if placed.start < each]
            await self._repeat(by_number[merged], inside, known)
            known.update(inside)
        # Only what was there, and is no more, is revived.
        outcome: Outcome = "revived" if revived and not placed.merged else "new"
        return Entry(number, outcome, tuple(by_number[each].uid for each in placed.cut))

    async def end(
        self,
        subject: str,
        predicate: str,
        object_key: str | None,
        at: float,
        *,
        tainted: bool = False,
    ) -> tuple[int, ...]:
        """Close what held at `at`; the numbers of the closed rows that take its place.

        What began at that moment is taken back: it never held. tainted: whether an untrusted source
        says so, which closes only what is untrusted.
        """
        subjects = await known_as(self._partition, subject)
        if not subjects:
            return ()
        query = self._partition.rows(_fact).where(
            _fact.c.subject_id.in_(subjects),
            _fact.c.predicate == predicate,
            _fact.c.retired_at.is_(None),
        )
        if object_key is not None:
            query = query.where(_fact.c.object_key == object_key)
        if tainted:
            query = query.where(_fact.c.taint != "[]")
        closed: list[int] = []
        for row in (await self._partition.execute(query)).all():
            start, end = span(row)
            if start <= at < end:
                closed.append(await self._remainder(row, start, at) if start < at else row.id)
                again = await self._next_repetition(row, at)
                if again is not None and again < end:
                    await self._remainder(row, again, end)
                await self._retire([row.id])
        return tuple(closed)

    async def end_unheard(self, checked: CheckedStatement, at: float) -> tuple[int, ...]:
        """Take down that something held until `at`, if nothing is known of it: the end came first.

        The number of the row, if there is one.
        """
        subjects = await known_as(self._partition, checked.subject)
        known = self._partition.rows(_fact, _fact.c.id).where(
            _fact.c.subject_id.in_(subjects),
            _fact.c.predicate == checked.predicate,
            _fact.c.object_key == checked.object_key,
            _fact.c.retired_at.is_(None),
        )
        if subjects and (await self._partition.execute(known.limit(1))).first() is not None:
            return ()
        entry = await self.enter(replace(checked, start=-math.inf, end=at))
        return (entry.number,) if entry.outcome != "duplicate" else ()

    # ---- within --------------------------------------------------------------------------------

    async def _rows(
        self, subjects: Sequence[int], checked: CheckedStatement
    ) -> Sequence[sa.Row[Any]]:
        """What bears on a statement, retired or not, in the order of recording."""
        query = self._partition.rows(_fact).where(
            _fact.c.subject_id.in_(subjects), _fact.c.predicate == checked.predicate
        )
        same = (_fact.c.object_key == checked.object_key) | _REPETITION
        if checked.cardinality == "many":
            query = query.where(_fact.c.object_key == checked.object_key)
        else:
            query = query.where(_fact.c.retired_at.is_(None) | same)
        return (await self._partition.execute(query.order_by(_fact.c.id))).all()

    async def _new_row(
        self,
        checked: CheckedStatement,
        subject_id: int,
        placed: Placement,
        rows: dict[int, sa.Row[Any]],
        before: Sequence[int],
    ) -> int:
        statement = checked.statement
        assert placed.start is not None
        assert placed.end is not None
        labels = set(statement.taint)
        if labels:
            for each in placed.merged:
                labels.update(_labels(rows[each]))
        confidences = [statement.confidence, *(rows[each].confidence for each in placed.merged)]
        return await self._insert(
            subject_id=subject_id,
            predicate=checked.predicate,
            object=checked.object,
            object_key=checked.object_key,
            text=in_words(checked.subject, checked.predicate, checked.object),
            valid_from=_bound(placed.start),
            valid_to=_bound(placed.end),
            supersedes_id=before[0] if before else None,
            confidence=max(confidences),
            cardinality=checked.cardinality,
            origin=str(statement.origin),
            taint=storable_json(listed(labels)),
        )

    async def _give_way(self, placed: Placement, rows: dict[int, sa.Row[Any]]) -> None:
        for each, start, end in placed.remains:
            await self._remainder(rows[each], start, end)
        for each in placed.cut:
            begun = span(rows[each])[0]
            if placed.start is not None and placed.start < begun:
                # Should what closes it turn out wrong, it was still said to begin there.
                await self._repeat(rows[each], [begun], ())
        await self._retire([*placed.merged, *placed.cut])

    async def _remainder(self, row: sa.Row[Any], start: float, end: float) -> int:
        """Record what is left of a fact."""
        number = await self._insert(
            subject_id=row.subject_id,
            predicate=row.predicate,
            object=row.object,
            object_key=row.object_key,
            text=row.text,
            valid_from=_bound(start),
            valid_to=_bound(end),
            supersedes_id=row.id,
            confidence=row.confidence,
            cardinality=row.cardinality,
            origin=row.origin,
            taint=row.taint,
        )
        await self._copy_sources(row.id, number)
        return number

    async def _insert(self, **values: object) -> int:
        analysed = terms(str(values["text"]))
        number = await self._partition.add(
            _fact,
            uid=self._new_id(),
            recorded_at=self._partition.now,
            terms=" ".join(analysed),
            length=len(analysed),
            **values,
        )
        await lexical_index.index(self._partition, Kind.FACT, number, analysed)
        await post(self._partition, self._tasks, Kind.FACT, [number])
        return number

    async def _repeat(
        self, row: sa.Row[Any], starts: Sequence[float], known: Collection[float]
    ) -> None:
        """Take down that a fact was said to hold from other times within it, too.

        Such a row is retired as it is recorded, so that no question finds it; but where something
        comes in between, the fact holds again from there.
        """
        rows = [
            {
                "uid": self._new_id(),
                "subject_id": row.subject_id,
                "predicate": row.predicate,
                "object": row.object,
                "object_key": row.object_key,
                "text": row.text,
                "valid_from": each,
                "recorded_at": self._partition.now,
                "retired_at": self._partition.now,
                "supersedes_id": row.id,
                "cardinality": row.cardinality,
                "origin": row.origin,
                "taint": row.taint,
                "terms": "",
            }
            for each in dict.fromkeys(starts)
            if not math.isinf(each) and each not in known
        ]
        if rows:
            await self._partition.execute(self._partition.insert(_fact), rows)

    async def _next_repetition(self, row: sa.Row[Any], after: float) -> float | None:
        query = self._partition.rows(_fact, sa.func.min(_fact.c.valid_from)).where(
            _fact.c.subject_id == row.subject_id,
            _fact.c.predicate == row.predicate,
            _fact.c.object_key == row.object_key,
            _fact.c.taint == row.taint,
            _fact.c.valid_from > after,
            _REPETITION,
        )
        found: float | None = (await self._partition.execute(query)).scalar()
        return found

    async def _retire(self, numbers: Sequence[int]) -> None:
        if numbers:
            await self._partition.execute(
                self._partition.update(_fact)
                .where(_fact.c.id.in_(list(numbers)))
                .values(retired_at=self._partition.now)
            )

    async def _episodes(self, uids: Sequence[str]) -> list[int]:
        if not uids:
            return []
        episode = tables.episode
        found = await self._partition.execute(
            self._partition.rows(episode, episode.c.uid, episode.c.id).where(
                episode.c.uid.in_(list(uids))
            )
        )
        numbers = dict(tuple(row) for row in found)
        for uid in uids:
            if uid not in numbers:
                raise InputError(
                    "unknown_episode", f"there is no episode {uid!r} in this namespace"
                )
        return list(numbers.values())

    async def _add_sources(self, number: int, episodes: Sequence[int]) -> None:
        if episodes:
            insert = self._partition.insert(_source).on_conflict_do_nothing(
                index_elements=["fact_id", "episode_id"]
            )
            rows = [{"fact_id": number, "episode_id": each} for each in episodes]
            await self._partition.execute(insert, rows)

    async def _copy_sources(self, old: int, new: int) -> None:
        found = await self._partition.execute(
            self._partition.rows(_source, _source.c.episode_id).where(_source.c.fact_id == old)
        )
        await self._add_sources(new, list(found.scalars()))


def span(row: sa.Row[Any]) -> tuple[float, float]:
    """When a row holds: from and up to, infinite where it is open."""
    start = -math.inf if row.valid_from is None else row.valid_from
    return start, math.inf if row.valid_to is None else row.valid_to


def _cutting(placed: Placement, others: Sequence[sa.Row[Any]]) -> Placement:
    """`placed`, with what it takes of untrusted rows: they give way, and bound nothing."""
    assert placed.start is not None
    assert placed.end is not None
    cut, remains = list(placed.cut), list(placed.remains)
    for row in others:
        begun, ended = span(row)
        if begun < placed.end and placed.start < ended:
            cut.append(row.id)
            if begun < placed.start:
                remains.append((row.id, begun, placed.start))
            if placed.end < ended:
                remains.append((row.id, placed.end, ended))
    return replace(placed, cut=tuple(cut), remains=tuple(remains))


def _is_repetition(row: sa.Row[Any]) -> bool:
    return bool(row.retired_at == row.recorded_at) and not row.terms


def _bound(time: float) -> float | None:
    return None if math.isinf(time) else time


def _labels(row: sa.Row[Any]) -> list[str]:
    return [str(label) for label in json.loads(row.taint)]


def _clean_duplicate(
    live: Sequence[sa.Row[Any]], checked: CheckedStatement, start: float
) -> int | None:
    """What a trusted source has said already, needs no untrusted one."""
    for row in live:
        begun, ended = span(row)
        at = min(checked.end, ended) if start == -math.inf else start
        if row.taint == "[]" and row.object_key == checked.object_key and begun <= at < ended:
            return int(row.id)
    return None
