"""The plan cache: plans that worked, used again where that is safe, shown to planners elsewhere.

Nothing is generalised from one run: a literal of a task becomes a parameter when a planner has, for
another value of it, written the same plan with that value in its places. And a plan is only used
again for a task that is the same to the letter but for its parameters, while the tools it calls are
what they were, and while it has done well.

That plans nearest to the task are shown to the planner otherwise is the selection of demonstrations
of TPTU-v2 (arXiv 2311.11315).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from treadle.core.taint import CLEAN, Labels, has_read, labels_here
from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind
from treadle.memory.learning.literals import Slot, Wording, wording
from treadle.memory.learning.outcomes import Outcomes
from treadle.memory.learning.procedure import (
    Example,
    FingerprintOf,
    Parameter,
    Procedure,
    Reuse,
    fingerprint,
)
from treadle.memory.learning.relative_time import says_when
from treadle.memory.learning.template import (
    Unbindable,
    Values,
    Wire,
    bound,
    dates_beside,
    explained_by,
    identity,
    tools_of,
)
from treadle.memory.learning.term_search import candidates
from treadle.memory.learning.words import (
    dumped,
    dumped_labels,
    read_labels,
    read_object,
    storable,
)
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store
from treadle.memory.text import terms as analysis
from treadle.memory.times import moment

MOST_TASK = 4_000
"""Characters of a task whose plan is kept."""

MOST_PLAN = 64 * 1024
"""Characters of a plan that is kept, as JSON."""

MOST_ALIKE = 32
"""Plans that are kept for tasks that ask the same: the last that were of use."""

EXAMPLES = 2
"""Plans that a planner is shown."""

_LEAST_LIKENESS = 0.3
_table = tables.procedure


class Procedures:
    """The procedures of a store.

    terms: what turns a text into the terms that it is found by.
    """

    def __init__(self, store: Store, terms: Callable[[str], Sequence[str]] = analysis) -> None:
        self._store = store
        self._terms = terms

    async def learn(
        self,
        task: str,
        plan: Wire,
        fingerprint_of: FingerprintOf,
        *,
        namespace: Where = None,
        source: str = "",
        taint: Labels = CLEAN,
    ) -> Procedure | None:
        """A plan has worked for `task`: keep it, or see which parameters it confirms.

        None where it is not worth keeping, or not safe: it calls no tools, it is too large, it
        holds dates that the task does not name, the task speaks of a day such as "tomorrow", or its
        tools are not there.
        """
        taint |= labels_here()
        made = fingerprint(tools_of(plan), fingerprint_of)
        if made is None or not tools_of(plan) or not _keepable(task, plan):
            return None
        words = wording(task)
        async with self._store.writing(namespace) as partition:
            alike = await self._alike(partition, words)
            same = [each for each in alike if _same_plan(each, words, plan)]
            holding = [each for each in same if each.fingerprint == made]
            confirmed = [await self._confirm(partition, each, words, taint) for each in holding]
            for each in confirmed:
                if _varies_to(each, words):
                    return each
            changed = [each for each in same if each not in holding]  # its tools, since then
            for each in changed:
                await self._retire(partition, each)
            kept = [each for each in alike if each not in changed]
            for each in kept[MOST_ALIKE - 1 :]:
                await self._retire(partition, each)
            version = 1 + max((each.version for each in changed), default=0)
            return await self._insert(
                partition, task, words, plan, made, version=version, source=source, taint=taint
            )

    async def match(
        self,
        task: str,
        fingerprint_of: FingerprintOf,
        *,
        namespace: Where = None,
        examples: int = EXAMPLES,
    ) -> Reuse | Example | None:
        """A plan for `task`, or plans for tasks that are like it, or nothing."""
        if len(task) > MOST_TASK:
            return None
        words = wording(task)
        async with self._store.reading(namespace) as partition:
            alike = await self._alike(partition, words)
            reuse = None if says_when(task) else _best(alike, words, fingerprint_of)
            if reuse is not None:
                has_read(reuse.taint)
                return reuse
            near = await self._near(partition, task)
        held = [each for each in near if each.outcomes.good and each.holds(fingerprint_of)]
        if not held[:examples]:
            return None
        example = Example(tuple(held[:examples]))
        has_read(example.taint)
        return example

    async def record(
        self, procedure_id: str, worked: bool, *, namespace: Where = None
    ) -> Procedure | None:
        """A run that used the procedure has ended; retires it where it has done badly.

        None where it is not there (any more).
        """
        async with self._store.writing(namespace) as partition:
            found = await _by_id(partition, procedure_id)
            if found is None:
                return None
            after = found.outcomes.after(worked)
            await self._update(partition, found, outcomes=after)
            if after.bad and found.retired_at is None:
                await self._retire(partition, found)
            return await _by_id(partition, procedure_id)

    async def get(self, procedure_id: str, *, namespace: Where = None) -> Procedure | None:
        """The procedure with that id, retired ones included."""
        async with self._store.reading(namespace) as partition:
            return await _by_id(partition, procedure_id)

    async def all(self, *, namespace: Where = None, retired: bool = False) -> list[Procedure]:
        """Every procedure, in the order in which they were learned."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).where(_table.c.kind == "plan").order_by(_table.c.id)
            if not retired:
                query = query.where(_table.c.retired_at.is_(None))
            return [_procedure(row) for row in await partition.execute(query)]

    async def _alike(self, partition: Partition, words: Wording) -> list[Procedure]:
        """Those whose task asks the same, the last used first."""
        query = partition.rows(_table).where(
            _table.c.task_key == words.key, _table.c.kind == "plan", _table.c.retired_at.is_(None)
        )
        found = [_procedure(row) for row in await partition.execute(query)]
        same = [each for each in found if wording(each.task).asks_the_same(words)]
        return sorted(same, key=lambda each: each.used_at or each.recorded_at, reverse=True)

    async def _near(self, partition: Partition, task: str) -> list[Procedure]:
        terms = set(self._terms(task))
        numbers = await candidates(partition, Kind.PROCEDURE, terms)
        query = partition.rows(_table).where(
            _table.c.id.in_(numbers), _table.c.kind == "plan", _table.c.retired_at.is_(None)
        )
        scored = []
        for row in await partition.execute(query):
            own = set(row.terms.split())
            likeness = 2 * len(own & terms) / (len(own) + len(terms))
            if likeness >= _LEAST_LIKENESS:
                found = _procedure(row)
                scored.append((likeness * found.outcomes.mean, found))
        scored.sort(key=lambda each: (-each[0], each[1].id))
        return [found for _, found in scored]

    async def _confirm(
        self, partition: Partition, found: Procedure, words: Wording, taint: Labels
    ) -> Procedure:
        parameters = tuple(
            replace(known, open=known.open or known.slot.value != slot.value)
            for known, slot in zip(found.parameters, words.slots, strict=True)
        )
        outcomes, labels = found.outcomes.after(True), found.taint | taint
        await self._update(partition, found, outcomes=outcomes, parameters=parameters, taint=labels)
        return replace(found, outcomes=outcomes, parameters=parameters, taint=labels)

    async def _update(
        self,
        partition: Partition,
        found: Procedure,
        *,
        outcomes: Outcomes,
        parameters: tuple[Parameter, ...] | None = None,
        taint: Labels | None = None,
    ) -> None:
        values: dict[str, Any] = {
            "successes": outcomes.successes,
            "failures": outcomes.failures,
            "used_at": partition.now,
        }
        if parameters is not None:
            values["parameters"] = _dumped_parameters(parameters)
            values["recorded_at"] = partition.now  # a planner wrote it, again
        if taint is not None:
            values["taint"] = dumped_labels(taint)
        await partition.execute(
            partition.update(_table).where(_table.c.uid == found.id).values(values)
        )

    async def _insert(
        self,
        partition: Partition,
        task: str,
        words: Wording,
        plan: Wire,
        made: str,
        *,
        version: int,
        source: str,
        taint: Labels,
    ) -> Procedure | None:
        uid = self._store.new_id()
        terms = list(self._terms(task))
        number = await partition.add(
            _table,
            uid=uid,
            kind="plan",
            task=task,
            task_key=words.key,
            template=dumped(plan),
            parameters=_dumped_parameters(tuple(Parameter(slot) for slot in words.slots)),
            fingerprint=made,
            version=version,
            successes=1.0,
            failures=0.0,
            recorded_at=partition.now,
            source=source,
            taint=dumped_labels(taint),
            terms=" ".join(terms),
            length=len(terms),
        )
        await lexical_index.index(partition, Kind.PROCEDURE, number, terms)
        return await _by_id(partition, uid)

    async def _retire(self, partition: Partition, found: Procedure) -> None:
        query = partition.rows(_table).where(_table.c.uid == found.id)
        row = (await partition.execute(query)).one()
        await lexical_index.unindex(partition, Kind.PROCEDURE, row.id, row.terms.split())
        await partition.execute(
            partition.update(_table).where(_table.c.id == row.id).values(retired_at=partition.now)
        )


def _keepable(task: str, plan: Wire) -> bool:
    return (
        len(task.strip()) > 0
        and len(task) <= MOST_TASK
        and storable(task)
        and not says_when(task)  # what it means is another time on another day
        and len(dumped(plan)) <= MOST_PLAN
        and plan.get("version", 1) == 1  # a patch is about what came out in one run
        and not dates_beside(plan, task)
    )


def _values(procedure: Procedure, words: Wording) -> Values:
    """What the values of the procedure's own task become for another one. Raises Unbindable."""
    pairs = zip(procedure.parameters, words.slots, strict=True)
    return Values((known.slot, slot.value) for known, slot in pairs)


def _same_plan(procedure: Procedure, words: Wording, plan: Wire) -> bool:
    """Whether the procedure gives `plan` for the same values, all that differ in their places."""
    try:
        values = _values(procedure, words)
        made, used = bound(procedure.template, values)
    except Unbindable:
        return False
    return values.explained(used) and identity(made) == identity(plan)


def _best(
    alike: Sequence[Procedure], words: Wording, fingerprint_of: FingerprintOf
) -> Reuse | None:
    found: list[Reuse] = []
    for each in alike:
        if not each.outcomes.good or not each.holds(fingerprint_of):
            continue
        if not _varies_to(each, words):
            continue
        try:
            plan, _ = bound(each.template, _values(each, words))
        except Unbindable:
            continue
        found.append(Reuse(each, plan, tuple(slot.value for slot in words.slots)))
    # Of plans that are as good the last that was used: `max` keeps the first of equals.
    return max(found, key=lambda reuse: reuse.procedure.outcomes.bound, default=None)


def _varies_to(procedure: Procedure, words: Wording) -> bool:
    """Whether the plan is known to be the same for these values."""
    pairs = zip(procedure.parameters, words.slots, strict=True)
    varied = [known for known, slot in pairs if known.slot.value != slot.value]
    return all(_may_vary(procedure, known) for known in varied)


def _may_vary(procedure: Procedure, parameter: Parameter) -> bool:
    """Whether another value is known to have the same plan.

    A name never is: Paris is a city and Germany is none, and no code can tell. A quoted text is
    where the planner took it as it is, and has not decided what it stands for.
    """
    kind = parameter.slot.kind
    if not parameter.open or kind == "name":
        return False
    return kind != "text" or explained_by(procedure.template, procedure.task)


async def _by_id(partition: Partition, uid: str) -> Procedure | None:
    row = (await partition.execute(partition.rows(_table).where(_table.c.uid == uid))).first()
    return None if row is None else _procedure(row)


def _dumped_parameters(parameters: tuple[Parameter, ...]) -> str:
    return dumped(
        {
            "slots": [
                {"kind": each.slot.kind, "value": each.slot.value, "open": each.open}
                for each in parameters
            ]
        }
    )


def _procedure(row: sa.Row[Any]) -> Procedure:
    recorded_at = moment(row.recorded_at)
    assert recorded_at is not None
    slots: Any = read_object(row.parameters).get("slots", [])
    return Procedure(
        id=row.uid,
        task=row.task,
        template=read_object(row.template),
        parameters=tuple(
            Parameter(Slot(each["kind"], each["value"]), each["open"]) for each in slots
        ),
        fingerprint=row.fingerprint,
        recorded_at=recorded_at,
        version=row.version,
        outcomes=Outcomes(row.successes, row.failures),
        used_at=moment(row.used_at),
        retired_at=moment(row.retired_at),
        source=row.source,
        taint=read_labels(row.taint),
    )
