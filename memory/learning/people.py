"""Summaries of persons, and of whatever else facts are about, kept up to date from the facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from treadle.core.chat import ChatModel
from treadle.core.taint import CLEAN, Labels, has_read
from treadle.memory import tables
from treadle.memory.learning.proposal import proposed_summary
from treadle.memory.learning.words import checked, dumped_labels, plain, read_labels, shortened
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store
from treadle.memory.times import moment
from treadle.memory.writing.normal_form import name_key

MOST_FACTS = 200
"""Facts that a summary is made of, the newest ones."""

MOST_CHARACTERS = 1_500
"""Of a summary."""

_fact = tables.fact
_entity = tables.entity
_table = tables.summary


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of someone now, in a few sentences.

    subject: the name, normalised. version: from 1, one more each time that the text has changed.
    taint: the labels of all facts that it was made of.
    """

    subject: str
    text: str
    version: int
    updated_at: datetime
    taint: Labels = CLEAN


class People:
    """The summaries of a store.

    model: writes them; without one, or where it writes nothing usable, they are the facts' own
        words. It is shown facts only, and decides on nothing but the wording.
    """

    def __init__(self, store: Store, model: ChatModel | None = None) -> None:
        self._store = store
        self._model = model

    async def get(self, subject: str, *, namespace: Where = None) -> Summary | None:
        """The summary as it was last made; None where there is none."""
        async with self._store.reading(namespace) as partition:
            found = await _stored(partition, name_key(subject))
        has_read(CLEAN if found is None else found.taint)
        return found

    async def refresh(self, subject: str, *, namespace: Where = None) -> Summary | None:
        """The summary of `subject`, made anew only where a fact about it has changed since.

        None where nothing is known (any more). Raises InputError (`empty_text`, `text_too_long`,
        `bad_text`).
        """
        key = name_key(checked("the name", subject, 500))
        async with self._store.reading(namespace) as partition:
            last = await _stored(partition, key)
            now = self._store.clock.now()
            if last is not None and not await _changed(partition, key, _seconds(last), now):
                return last
            facts = await _facts(partition, key, now)
        text, taint = _own_words(facts), _labels(facts)
        if self._model is not None and text:
            # Outside of any transaction: a model takes its time.
            text = await proposed_summary(self._model, subject, text, MOST_CHARACTERS) or text
        async with self._store.writing(namespace) as partition:
            # What was forgotten or learned meanwhile: those words may not come back. Who changed
            # the facts asks for another summary, and an erasure for none.
            if list(map(tuple, await _facts(partition, key, now))) != list(map(tuple, facts)):
                return await _stored(partition, key)
            return await _keep(partition, key, text, taint)

    async def changed(self, most: int = 100, *, namespace: Where = None) -> list[str]:
        """Subjects of facts whose summary is missing, or older than one of their facts."""
        async with self._store.reading(namespace) as partition:
            newest = sa.func.max(sa.func.coalesce(_fact.c.retired_at, _fact.c.recorded_at)).label(
                "newest"
            )
            facts = (
                partition.rows(_fact, _fact.c.subject_id, newest)
                .group_by(_fact.c.subject_id)
                .subquery()
            )
            query = (
                partition.rows(_entity, _entity.c.key)
                .join(facts, facts.c.subject_id == _entity.c.id)
                .outerjoin(_table, (_table.c.subject == _entity.c.key) & partition.owns(_table))
                .where((_table.c.id.is_(None)) | (_table.c.updated_at < facts.c.newest))
                .order_by(facts.c.newest)
                .limit(most)
            )
            return list((await partition.execute(query)).scalars())

    async def refresh_all(self, most: int = 100, *, namespace: Where = None) -> int:
        """Bring summaries up to date, at most so many; gives how many there were to do."""
        subjects = await self.changed(most, namespace=namespace)
        for subject in subjects:
            await self.refresh(subject, namespace=namespace)
        return len(subjects)

    async def all(self, *, namespace: Where = None) -> list[Summary]:
        """Every summary, by name."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).order_by(_table.c.subject)
            found = [_summary(row) for row in await partition.execute(query)]
        has_read(label for each in found for label in each.taint)
        return found


def _about(partition: Partition, key: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        partition.rows(_fact, *columns)
        .join(_entity, (_entity.c.id == _fact.c.subject_id) & partition.owns(_entity))
        .where(_entity.c.key == key)
    )


async def _facts(partition: Partition, key: str, now: float) -> Sequence[sa.Row[Any]]:
    """The facts that hold now, the oldest of the newest first."""
    fact = _fact.c
    query = (
        _about(partition, key, fact.text, fact.taint)
        .where(
            fact.retired_at.is_(None),
            fact.valid_from.is_(None) | (fact.valid_from <= now),
            fact.valid_to.is_(None) | (fact.valid_to > now),
        )
        .order_by(fact.recorded_at.desc(), fact.id.desc())
        .limit(MOST_FACTS)
    )
    return list(reversed((await partition.execute(query)).all()))


async def _changed(partition: Partition, key: str, since: float, now: float) -> bool:
    """Whether the store has learned or dropped a fact since, or one has begun or ceased to hold."""
    fact = _fact.c
    query = (
        _about(partition, key, fact.id)
        .where(
            (fact.recorded_at > since)
            | (fact.retired_at > since)
            | ((fact.valid_from > since) & (fact.valid_from <= now))
            | ((fact.valid_to > since) & (fact.valid_to <= now))
        )
        .limit(1)
    )
    return (await partition.execute(query)).first() is not None


def _own_words(facts: Sequence[sa.Row[Any]]) -> str:
    """What the facts say, in their own words; the newest are kept where that is too much."""
    kept: list[str] = []
    left = MOST_CHARACTERS
    for text in dict.fromkeys(plain(row.text) for row in reversed(facts)):
        sentence = text if text.endswith((".", "!", "?")) else f"{text}."
        left -= len(sentence) + 1
        if left < 0:
            break
        kept.append(sentence)
    return " ".join(reversed(kept))


def _labels(facts: Sequence[sa.Row[Any]]) -> Labels:
    return frozenset(label for row in facts for label in read_labels(row.taint))


async def _keep(partition: Partition, key: str, text: str, taint: Labels) -> Summary | None:
    last = await _stored(partition, key)
    mine = _table.c.subject == key
    if not text:
        await partition.execute(partition.delete(_table).where(mine))
        return None
    values = {
        "text": shortened(text, MOST_CHARACTERS),
        "updated_at": partition.now,
        "taint": dumped_labels(taint),
    }
    if last is None:
        await partition.add(_table, subject=key, version=1, **values)
    else:
        version = last.version + (last.text != values["text"])
        await partition.execute(
            partition.update(_table).where(mine).values(version=version, **values)
        )
    return await _stored(partition, key)


async def _stored(partition: Partition, key: str) -> Summary | None:
    row = (await partition.execute(partition.rows(_table).where(_table.c.subject == key))).first()
    return None if row is None else _summary(row)


def _summary(row: sa.Row[Any]) -> Summary:
    updated_at = moment(row.updated_at)
    assert updated_at is not None
    return Summary(row.subject, row.text, row.version, updated_at, read_labels(row.taint))


def _seconds(summary: Summary) -> float:
    return summary.updated_at.timestamp()
