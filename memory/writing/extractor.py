"""The handler that draws mentions and facts from new episodes, by rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.taint import Labels
from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.kinds import Origin
from treadle.memory.store import Partition, Store
from treadle.memory.writing.entities import known_as, mention, numbered
from treadle.memory.writing.episode_rows import episode_of, episode_rows
from treadle.memory.writing.extraction.found import Claim, Findings
from treadle.memory.writing.extraction.mentions import trimmed
from treadle.memory.writing.extraction.rules import found_in
from treadle.memory.writing.ledger import Ledger
from treadle.memory.writing.normal_form import name_key
from treadle.memory.writing.outbox import Errand, Lease, finish
from treadle.memory.writing.said_again import spoken_times
from treadle.memory.writing.statement import CheckedStatement, Statement
from treadle.memory.writing.taking_back import deny

_AT_ONCE = 4
"""Episodes for one transaction: whoever remembers waits for its end."""

_CONFIDENCE = 0.8
_OPPOSITE = {"likes": "dislikes", "dislikes": "likes"}
_LONG = 4_000

_episode = tables.episode
_fact = tables.fact


@dataclass(frozen=True, slots=True)
class _Read:
    errand: Errand
    number: int
    episode: Episode
    spoken_at: float
    findings: Findings


class Extractor:
    """Draws mentions and facts from the episodes of a lease. Each is done exactly once.

    fact_tasks: of the outbox, for each new fact.
    """

    def __init__(self, store: Store, fact_tasks: Sequence[str] = ()) -> None:
        self._store = store
        self._fact_tasks = tuple(fact_tasks)

    async def work(self, lease: Lease) -> None:
        """What `Handler` calls."""
        read = await self._read(lease)
        by_id: dict[int, list[_Read]] = {}
        for each in read:
            by_id.setdefault(each.errand.id, []).append(each)
        for start in range(0, len(lease.errands), _AT_ONCE):
            part = lease.errands[start : start + _AT_ONCE]
            async with self._store.writing(lease.namespace) as partition:
                ids = [errand.id for errand in part]
                # First: the rows are locked from here on, and nobody else does the same.
                await finish(partition, lease, ids)
                for errand in part:
                    # An episode that has been erased by now has nothing to say.
                    for found in by_id.get(errand.id, ()):
                        await self._write(partition, found)

    async def _read(self, lease: Lease) -> list[_Read]:
        by_item = {errand.item_id: errand for errand in lease.errands}
        async with self._store.reading(lease.namespace) as partition:
            query = episode_rows(partition, by_item)
            rows = (await partition.execute(query.order_by(_episode.c.id))).all()
        read = []
        for row in rows:
            errand, episode = by_item[row.id], episode_of(row)
            for spoken_at in spoken_times(errand.payload, row.occurred_at):
                if len(episode.text) > _LONG:
                    findings = await asyncio.to_thread(_findings, episode, spoken_at)
                else:
                    findings = _findings(episode, spoken_at)
                read.append(_Read(errand, row.id, episode, spoken_at, findings))
        return read

    async def _write(self, partition: Partition, read: _Read) -> None:
        episode = read.episode
        names = {each.name: each.kind for each in read.findings.mentions}
        if episode.actor:
            names.setdefault(episode.actor, "name")
        numbers = await numbered(partition, names)
        await mention(partition, numbers.values(), read.number)
        ledger = Ledger(partition, self._store.new_id, self._fact_tasks)
        for claim in read.findings.claims:
            try:
                await _enter(partition, ledger, claim, read)
            except InputError:
                # A claim that a fact cannot hold (a subject of dots): the words are still there.
                continue


def _findings(episode: Episode, spoken_at: float) -> Findings:
    return found_in(episode.text, actor=episode.actor, origin=episode.origin, spoken_at=spoken_at)


async def _enter(partition: Partition, ledger: Ledger, claim: Claim, read: _Read) -> None:
    at = read.spoken_at
    begun = at if claim.start is None else claim.start
    labels = read.episode.taint
    source = read.episode.id
    tainted = bool(labels)
    if claim.how == "corrects":
        await _correct(partition, ledger, claim, read)
        return
    said = _statement(claim, source, labels, None, at)
    if claim.how == "never":
        if not tainted:
            subjects = await known_as(partition, claim.subject)
            await deny(partition, ledger, subjects, said.predicate, said.object_key)
        return
    if claim.how != "holds" and not (claim.how == "once" and tainted):
        closed = await ledger.end(
            claim.subject, claim.predicate, said.object_key, begun, tainted=tainted
        )
        if claim.how == "ended" and not closed and not tainted:
            await ledger.end_unheard(said, begun)
        if closed or claim.how != "once":
            return
    if claim.how == "once":
        await ledger.enter(said)
        return
    opposite = _OPPOSITE.get(claim.predicate)
    if opposite is not None and not labels:
        await ledger.end(claim.subject, opposite, said.object_key, at)
    await ledger.enter(_statement(claim, source, labels, begun, None))
    if claim.lasting and claim.start is not None and claim.start < at:
        # "Since 2015" says that it holds now, whatever was in between.
        await ledger.enter(_statement(claim, source, labels, at, None))


def _statement(
    claim: Claim, source: str, labels: Labels, start: float | None, end: float | None
) -> CheckedStatement:
    return CheckedStatement.of(
        Statement(
            subject=claim.subject,
            predicate=claim.predicate,
            object=claim.object,
            valid_from=start,
            valid_to=end,
            confidence=_CONFIDENCE,
            origin=Origin.RULE,
            sources=(source,),
            taint=labels,
        )
    )


def _corrects(claim: Claim, wrong: str) -> bool:
    """Whether what is said instead is of the same kind: a name for a name, a number for a number.

    "No, it's actually raining" corrects no place. Precision before recall.
    """
    if claim.instead_of:
        return name_key(claim.instead_of) == name_key(wrong)
    if wrong[:1].isdigit() or claim.object[:1].isdigit():
        return wrong[:1].isdigit() and claim.object[:1].isdigit()
    return (
        wrong[:1].isupper()
        and trimmed(claim.object) == claim.object[:80]
        and claim.object[:1].isupper()
    )


async def _correct(partition: Partition, ledger: Ledger, claim: Claim, read: _Read) -> None:
    """Take "no, it's actually Lisbon" for the last thing that its speaker said of that kind."""
    episode = read.episode
    subjects = await known_as(partition, claim.subject)
    if not subjects or not episode.thread or episode.taint:
        return
    before = (
        partition.rows(_episode, _episode.c.id)
        .where(
            _episode.c.thread == episode.thread,
            _episode.c.actor == episode.actor,
            _episode.c.id < read.number,
        )
        .order_by(_episode.c.id.desc())
        .limit(1)
    )
    recent = list((await partition.execute(before)).scalars())
    source = tables.fact_source
    query = (
        partition.rows(_fact)
        .join(source, (source.c.fact_id == _fact.c.id) & partition.owns(source))
        .where(
            _fact.c.subject_id.in_(subjects),
            _fact.c.cardinality == "one",
            _fact.c.retired_at.is_(None),
            _fact.c.taint == "[]",
            source.c.episode_id.in_(recent),
        )
        .order_by(source.c.episode_id.desc(), _fact.c.id.desc())
        .limit(1)
    )
    wrong: sa.Row[Any] | None = (await partition.execute(query)).first()
    if wrong is None or not _corrects(claim, wrong.object):
        return
    # From the same start on: the old object gives way wholly, as it was never so.
    right = Claim(claim.subject, wrong.predicate, claim.object)
    await ledger.enter(
        _statement(right, episode.id, episode.taint, wrong.valid_from, wrong.valid_to)
    )
