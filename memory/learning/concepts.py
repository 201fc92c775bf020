"""Concepts and warnings: learned, found by cue, scored by outcomes, versioned.

After ArcMemo (arXiv 2509.04439): abstract, parameterised lessons that are retrieved by cue do more
than stored runs do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from treadle.core.json_value import JsonValue
from treadle.core.taint import CLEAN, Labels, has_read, labels_here
from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind
from treadle.memory.learning.concept import Concept, ConceptKind, FoundConcept
from treadle.memory.learning.outcomes import Outcomes
from treadle.memory.learning.term_search import candidates
from treadle.memory.learning.words import (
    checked,
    dumped,
    dumped_labels,
    key_of,
    plain,
    read_labels,
    read_object,
    read_texts,
)
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store
from treadle.memory.text import terms as analysis
from treadle.memory.times import moment

MOST_NAME = 200
MOST_BODY = 4_000
MOST_CUES = 16
MOST_CUE = 200
"""Characters of a name, a body and a cue, and how many cues one concept has."""

_LEAST_MATCH = 0.6
_table = tables.concept


class Concepts:
    """The concepts of a store.

    terms: what turns a text into the terms that it is found by.
    """

    def __init__(self, store: Store, terms: Callable[[str], Sequence[str]] = analysis) -> None:
        self._store = store
        self._terms = terms

    async def learn(
        self,
        name: str,
        body: str,
        *,
        namespace: Where = None,
        cues: Iterable[str] = (),
        parameters: Mapping[str, JsonValue] | None = None,
        kind: ConceptKind = "concept",
        source: str = "",
        taint: Labels = CLEAN,
    ) -> Concept:
        """Keep a concept; its name is a cue, too.

        The same name and body again add their cues and labels to what is there; another body makes
        the next version, and the one before is kept, retired. What was retired because it did badly
        stays so: then it is what is returned.

        Raises InputError (`text_too_long`, `bad_text`).
        """
        taint |= labels_here()
        name = plain(checked("the name of a concept", name, MOST_NAME))
        body = checked("the body of a concept", body, MOST_BODY)
        given = _distinct([checked("a cue", each, MOST_CUE) for each in cues])
        async with self._store.writing(namespace) as partition:
            last = await _last(partition, name, kind)
            if last is not None and last.retired_at is not None and _says(last, body):
                return last  # tried, and found bad
            if last is None:
                values = {"version": 1, "cues": given, "taint": taint}
            elif _says(last, body):
                merged = _distinct([*last.cues, *given])
                return await self._amend(partition, last, merged, last.taint | taint)
            else:
                if last.retired_at is None:
                    await self._retire(partition, last)
                values = {"version": last.version + 1, "cues": given, "taint": taint}
            text = {"name": name, "body": body, "kind": kind, "source": source}
            return await self._insert(partition, last, {**text, **values}, parameters or {})

    async def find(
        self, text: str, k: int = 5, *, namespace: Where = None, kind: ConceptKind | None = None
    ) -> list[FoundConcept]:
        """The concepts that bear on `text`, the best first: cue match times posterior mean."""
        terms = set(self._terms(text))
        async with self._store.reading(namespace) as partition:
            numbers = await candidates(partition, Kind.CONCEPT, terms)
            query = partition.rows(_table).where(
                _table.c.id.in_(numbers), _table.c.retired_at.is_(None)
            )
            rows = (await partition.execute(query)).all()
        found = []
        for row in rows:
            concept = _concept(row)
            match = max(self._match(cue, terms) for cue in (concept.name, *concept.cues))
            if match >= _LEAST_MATCH and kind in (None, concept.kind):
                found.append(FoundConcept(concept, match, match * concept.outcomes.mean))
        found.sort(key=lambda each: (-each.score, each.concept.id))
        has_read(label for each in found[:k] for label in each.concept.taint)
        return found[:k]

    async def record(
        self, concept_id: str, worked: bool, *, namespace: Where = None
    ) -> Concept | None:
        """A run that was shown the concept has ended; retires it where it has done badly.

        None where it is not there (any more).
        """
        async with self._store.writing(namespace) as partition:
            found = await _by_id(partition, concept_id)
            if found is None:
                return None
            after = found.outcomes.after(worked)
            await partition.execute(
                partition.update(_table)
                .where(_table.c.uid == concept_id)
                .values(successes=after.successes, failures=after.failures)
            )
            if after.bad and found.retired_at is None:
                await self._retire(partition, found)
                return replace(found, outcomes=after, retired_at=moment(partition.now))
            return replace(found, outcomes=after)

    async def get(self, concept_id: str, *, namespace: Where = None) -> Concept | None:
        """The concept with that id, retired ones included."""
        async with self._store.reading(namespace) as partition:
            found = await _by_id(partition, concept_id)
        has_read(CLEAN if found is None else found.taint)
        return found

    async def all(self, *, namespace: Where = None, retired: bool = False) -> list[Concept]:
        """Every concept, in the order in which they were learned."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).order_by(_table.c.id)
            if not retired:
                query = query.where(_table.c.retired_at.is_(None))
            found = [_concept(row) for row in await partition.execute(query)]
        has_read(label for each in found for label in each.taint)
        return found

    def _match(self, cue: str, terms: set[str]) -> float:
        wanted = set(self._terms(cue))
        return len(wanted & terms) / len(wanted) if wanted else 0.0

    def _findable(self, name: str, cues: Iterable[str]) -> list[str]:
        return [term for text in (name, *cues) for term in self._terms(text)]

    async def _insert(
        self,
        partition: Partition,
        last: Concept | None,
        values: Mapping[str, Any],
        parameters: Mapping[str, JsonValue],
    ) -> Concept:
        uid = self._store.new_id()
        terms = self._findable(values["name"], values["cues"])
        number = await partition.add(
            _table,
            uid=uid,
            **{
                **values,
                "cues": dumped(list(values["cues"])),
                "taint": dumped_labels(values["taint"]),
            },
            parameters=dumped(dict(parameters)),
            previous_id=None if last is None else await _number(partition, last.id),
            recorded_at=partition.now,
            terms=" ".join(terms),
            length=len(terms),
        )
        await lexical_index.index(partition, Kind.CONCEPT, number, terms)
        made = await _by_id(partition, uid)
        assert made is not None
        return made

    async def _amend(
        self, partition: Partition, concept: Concept, cues: tuple[str, ...], taint: Labels
    ) -> Concept:
        if cues == concept.cues and taint == concept.taint:
            return concept
        number = await self._unindex(partition, concept.id)
        terms = self._findable(concept.name, cues)
        await partition.execute(
            partition.update(_table)
            .where(_table.c.id == number)
            .values(
                cues=dumped(list(cues)),
                taint=dumped_labels(taint),
                terms=" ".join(terms),
                length=len(terms),
            )
        )
        await lexical_index.index(partition, Kind.CONCEPT, number, terms)
        return replace(concept, cues=cues, taint=taint)

    async def _retire(self, partition: Partition, concept: Concept) -> None:
        number = await self._unindex(partition, concept.id)
        await partition.execute(
            partition.update(_table).where(_table.c.id == number).values(retired_at=partition.now)
        )

    async def _unindex(self, partition: Partition, uid: str) -> int:
        query = partition.rows(_table, _table.c.id, _table.c.terms).where(_table.c.uid == uid)
        row = (await partition.execute(query)).one()
        await lexical_index.unindex(partition, Kind.CONCEPT, row.id, row.terms.split())
        return int(row.id)


async def _last(partition: Partition, name: str, kind: ConceptKind) -> Concept | None:
    query = (
        partition.rows(_table)
        .where(_table.c.name == name, _table.c.kind == kind)
        .order_by(_table.c.id.desc())
        .limit(1)
    )
    row = (await partition.execute(query)).first()
    return None if row is None else _concept(row)


async def _by_id(partition: Partition, uid: str) -> Concept | None:
    row = (await partition.execute(partition.rows(_table).where(_table.c.uid == uid))).first()
    if row is None:
        return None
    concept = _concept(row)
    if row.previous_id is None:
        return concept
    query = partition.rows(_table, _table.c.uid).where(_table.c.id == row.previous_id)
    return replace(concept, previous=(await partition.execute(query)).scalar_one_or_none())


async def _number(partition: Partition, uid: str) -> int:
    query = partition.rows(_table, _table.c.id).where(_table.c.uid == uid)
    return int((await partition.execute(query)).scalar_one())


def _says(concept: Concept, body: str) -> bool:
    return key_of(concept.body) == key_of(body)


def _distinct(cues: Iterable[str]) -> tuple[str, ...]:
    return tuple({key_of(cue): plain(cue) for cue in cues}.values())[:MOST_CUES]


def _concept(row: sa.Row[Any]) -> Concept:
    recorded_at = moment(row.recorded_at)
    assert recorded_at is not None
    return Concept(
        id=row.uid,
        kind=row.kind,
        name=row.name,
        body=row.body,
        cues=read_texts(row.cues),
        recorded_at=recorded_at,
        parameters=read_object(row.parameters),
        version=row.version,
        outcomes=Outcomes(row.successes, row.failures),
        retired_at=moment(row.retired_at),
        source=row.source,
        taint=read_labels(row.taint),
    )
