"""Facts: told, asked for as of any time, and taken back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.taint import CLEAN, Labels, has_read, labels_here
from treadle.memory import tables
from treadle.memory.fact import Cardinality, Fact
from treadle.memory.kinds import Origin
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store
from treadle.memory.times import seconds
from treadle.memory.writing.accepted import accepted_name
from treadle.memory.writing.entities import about
from treadle.memory.writing.fact_rows import fact_rows, facts_of
from treadle.memory.writing.ledger import Ledger, Outcome
from treadle.memory.writing.predicates import predicate_key
from treadle.memory.writing.statement import CheckedStatement, Statement
from treadle.memory.writing.taking_back import take_back_all

_fact = tables.fact

When = datetime | float | str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a statement.

    outcome: `new`; `duplicate` where it was known (that fact is given); `revived` where it was
        known once, and closed or taken back since.
    closed: the ids of facts that it put an end to, in whole or for a time.
    """

    fact: Fact
    outcome: Outcome
    closed: tuple[str, ...] = ()


class Facts:
    """The facts of a store. tasks: of the outbox, for each new fact."""

    def __init__(self, store: Store, tasks: Sequence[str] = ()) -> None:
        self._store = store
        self._tasks = tuple(tasks)

    async def tell(
        self,
        subject: str,
        predicate: str,
        object: str,  # noqa: A002 - what it is called in a fact
        *,
        namespace: Where = None,
        valid_from: When = None,
        valid_to: When = None,
        cardinality: Cardinality | None = None,
        confidence: float = 1.0,
        origin: Origin = Origin.USER,
        sources: Sequence[str] = (),
        taint: Labels = CLEAN,
    ) -> Told:
        """State a fact; the arguments are the fields of `Statement`.

        Of a predicate that has one object at a time, the new fact closes or splits older ones by
        the times at which they held, not by the order in which they were told.

        Raises InputError: `empty_text`, `bad_text`, `bad_date`, `bad_interval`, `bad_fact`,
        `unknown_episode`. Raises RunError where the database fails.
        """
        statement = Statement(
            subject=subject,
            predicate=predicate,
            object=object,
            valid_from=valid_from,
            valid_to=valid_to,
            cardinality=cardinality,
            confidence=confidence,
            origin=origin,
            sources=sources,
            taint=taint,
        )
        return (await self.tell_many([statement], namespace=namespace))[0]

    async def tell_many(
        self, statements: Sequence[Statement], *, namespace: Where = None
    ) -> tuple[Told, ...]:
        """State facts, in order, all or none: one transaction. Raises what `tell` does.

        Within a call of a tool they carry the labels of that call, too.
        """
        checked = [CheckedStatement.of(statement, labels_here()) for statement in statements]
        if not checked:
            return ()

        async def tell(partition: Partition) -> tuple[Told, ...]:
            ledger = Ledger(partition, self._store.new_id, self._tasks)
            entries = [await ledger.enter(each) for each in checked]
            numbers = list({entry.number for entry in entries})
            query = fact_rows(partition, numbers)
            found = (await partition.execute(query)).all()
            made = await facts_of(partition, found)
            by_number = {row.id: fact for row, fact in zip(found, made, strict=True)}
            return tuple(
                Told(by_number[entry.number], entry.outcome, entry.closed) for entry in entries
            )

        return await self._store.write(namespace, tell)

    async def end(
        self,
        subject: str,
        predicate: str,
        object: str | None = None,  # noqa: A002 - what it is called in a fact
        *,
        namespace: Where = None,
        at: When = None,
    ) -> tuple[Fact, ...]:
        """State that something no longer holds from `at` (now) on; the facts as they are closed.

        What began at that moment is taken back. Of an object of which nothing is known it is taken
        down that it held for an unknown time until then.
        """
        accepted_name(subject, "the subject")
        said = None
        if object is not None:
            said = CheckedStatement.of(Statement(subject, predicate, object))
        key = None if said is None else said.object_key
        time = seconds(at)

        async def end(partition: Partition) -> tuple[Fact, ...]:
            ledger = Ledger(partition, self._store.new_id, self._tasks)
            moment = partition.now if time is None else time
            closed = await ledger.end(subject, predicate_key(predicate), key, moment)
            if not closed and said is not None:
                closed = await ledger.end_unheard(said, moment)
            query = fact_rows(partition, closed).order_by(_fact.c.id)
            return await facts_of(partition, (await partition.execute(query)).all())

        return _told(await self._store.write(namespace, end))

    async def retract(self, fact_id: str, *, namespace: Where = None) -> Fact:
        """Take back what was never so; it stays readable with `known_at`.

        What it had put an end to holds again, as far as nothing else is known of that time.
        A fact that was closed since it was read is found by its old id, too.

        Raises InputError (`unknown_fact`, `bad_text`).
        """
        accepted_name(fact_id, "the id of a fact")

        async def retract(partition: Partition) -> Fact:
            query = partition.rows(_fact).where(_fact.c.uid == fact_id)
            row = (await partition.execute(query)).first()
            if row is None:
                raise _unknown(fact_id)
            ledger = Ledger(partition, self._store.new_id, self._tasks)
            rows = await take_back_all(partition, ledger, row)
            found = await partition.execute(fact_rows(partition).where(_fact.c.id == rows[-1].id))
            return (await facts_of(partition, found.all()))[0]

        return _told([await self._store.write(namespace, retract)])[0]

    async def get(self, fact_id: str, *, namespace: Where = None) -> Fact:
        """The fact with this id, retired or not. Raises InputError (`unknown_fact`)."""
        accepted_name(fact_id, "the id of a fact")
        async with self._store.reading(namespace) as partition:
            found = await partition.execute(fact_rows(partition).where(_fact.c.uid == fact_id))
            facts = await facts_of(partition, found.all())
        if not facts:
            raise _unknown(fact_id)
        return _told(facts)[0]

    async def facts(
        self,
        subject: str | None = None,
        predicate: str | None = None,
        *,
        namespace: Where = None,
        as_of: When = None,
        known_at: When = None,
    ) -> tuple[Fact, ...]:
        """What holds in the world at `as_of` (now), as the store knew it at `known_at` (now).

        subject: whom or what it is about; what is theirs ("Ada's dog likes bones") is about them,
            too.
        """
        if subject is not None:
            accepted_name(subject, "the subject")
        time = seconds(as_of)
        async with self._store.reading(namespace) as partition:
            at = await _latest(partition) if time is None else time
            held = (_fact.c.valid_from.is_(None) | (_fact.c.valid_from <= at)) & (
                _fact.c.valid_to.is_(None) | (_fact.c.valid_to > at)
            )
            query = fact_rows(partition).where(held, _believed(seconds(known_at)))
            return await _answer(partition, query, subject, predicate)

    async def timeline(
        self,
        subject: str | None = None,
        predicate: str | None = None,
        *,
        namespace: Where = None,
        known_at: When = None,
    ) -> tuple[Fact, ...]:
        """All that held at any time, closed facts included, in the order of when it began."""
        if subject is not None:
            accepted_name(subject, "the subject")
        async with self._store.reading(namespace) as partition:
            query = fact_rows(partition).where(_believed(seconds(known_at)))
            return await _answer(partition, query, subject, predicate)


async def _answer(
    partition: Partition, query: sa.Select[object], subject: str | None, predicate: str | None
) -> tuple[Fact, ...]:
    if predicate is not None:
        query = query.where(_fact.c.predicate == predicate_key(predicate))
    # One after the other: for "or", SQLite reads all facts of the namespace.
    parts = [query]
    if subject is not None:
        parts = [query.where(condition) for condition in await about(partition, subject)]
    rows = {row.id: row for part in parts for row in await partition.execute(part)}
    order = sorted(rows.values(), key=lambda row: (row.valid_from or -math.inf, row.id))
    return _told(await facts_of(partition, order))


def _told(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    has_read(label for each in facts for label in each.taint)
    return tuple(facts)


async def _latest(partition: Partition) -> float:
    """Now; or later, where the clock went back since something was recorded."""
    table = tables.namespace
    found = await partition.execute(
        sa.select(table.c.last_recorded).where(table.c.id == partition.id)
    )
    return max(partition.now, found.scalar() or 0.0)


def _believed(known_at: float | None) -> sa.ColumnElement[bool]:
    if known_at is None:
        return _fact.c.retired_at.is_(None)
    return (_fact.c.recorded_at <= known_at) & (
        _fact.c.retired_at.is_(None) | (_fact.c.retired_at > known_at)
    )


def _unknown(fact_id: str) -> InputError:
    return InputError("unknown_fact", f"there is no fact {fact_id!r} in this namespace")
