"""Episodes: `remember`, in one transaction that is durable when it returns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue
from treadle.core.taint import CLEAN, Labels, has_read, labels_here
from treadle.memory import lexical_index, tables
from treadle.memory.episode import Episode, Remembered
from treadle.memory.erasure.tombstones import is_erased
from treadle.memory.fence import numbered
from treadle.memory.kinds import Kind, Origin
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store
from treadle.memory.times import moment
from treadle.memory.writing.accepted import accepted_name
from treadle.memory.writing.analysis import LONG, analysed
from treadle.memory.writing.draft import CheckedDraft, Draft
from treadle.memory.writing.echo import is_echo
from treadle.memory.writing.echo_keys import Candidate, candidates
from treadle.memory.writing.episode_rows import episode_of, episode_rows
from treadle.memory.writing.liveness import overtaken
from treadle.memory.writing.lookup import Found, look_up
from treadle.memory.writing.normal_form import content_hash, fingerprint
from treadle.memory.writing.outbox import post
from treadle.memory.writing.said_again import say_again
from treadle.memory.writing.taken_keys import Outcome, take

EXTRACT = "extract"
"""The task of the extractor of facts."""

_episode = tables.episode


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A draft with all that takes time to work out, before the database is locked."""

    checked: CheckedDraft
    fingerprint: str
    terms: list[str]
    sentences: list[Candidate]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A new row: its number, and how many terms it has."""

    number: int
    terms: int


class Episodes:
    """Keeps what was said, read or done, once.

    A turn of a conversation (a thread, by a person or an assistant) is kept every time: "yes" twice
    is two answers. Only the same turn at the same, stated, time is one. A note without a thread,
    and what documents, tools and runs say, is one where nearly the same words came from the same
    actor and source before, unless facts drawn from it have been overtaken since, or another time
    is stated. A retry is told from a repetition by its idempotency key.

    tasks: of the outbox, for each new episode.
    """

    def __init__(self, store: Store, tasks: Sequence[str] = (EXTRACT,)) -> None:
        self._store = store
        self._tasks = tuple(tasks)

    async def remember(
        self,
        text: str,
        *,
        namespace: Where = None,
        actor: str = "",
        source: str = "",
        origin: Origin = Origin.USER,
        thread: str = "",
        occurred_at: datetime | float | str | None = None,
        idempotency_key: str | None = None,
        previous: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        taint: Labels = CLEAN,
    ) -> Remembered:
        """Keep `text`; the arguments are the fields of `Draft`.

        A text that is an echo in part is kept whole. An echo whose episode cannot be
        given (a fact was recalled) comes with an episode that has no id.

        Raises InputError: `empty_text`, `text_too_long`, `bad_text`, `bad_metadata`, `bad_date`,
        `unknown_episode` where `previous` is not there, `idempotency_conflict` where the key has
        been used for another text, and `episode_erased` where what it stood for was forgotten.
        Raises RunError where the database fails; then nothing was kept, and the same call may be
        made again.
        """
        draft = Draft(
            text=text,
            actor=actor,
            source=source,
            origin=origin,
            thread=thread,
            occurred_at=occurred_at,
            idempotency_key=idempotency_key,
            previous=previous,
            metadata=metadata,
            taint=taint,
        )
        return (await self.remember_many([draft], namespace=namespace))[0]

    async def remember_many(
        self, drafts: Sequence[Draft], *, namespace: Where = None
    ) -> tuple[Remembered, ...]:
        """Keep all of `drafts`, in order, or none: one transaction. Raises what `remember` does.

        Within a call of a tool they carry the labels of that call, too.
        """
        checked = [CheckedDraft.of(draft, labels_here()) for draft in drafts]
        prepared = [await _prepared(each) for each in checked]
        if not prepared:
            return ()

        async def keep(partition: Partition) -> tuple[Remembered, ...]:
            kept: list[_Kept] = []
            made = [await self._keep(partition, each, kept) for each in prepared]
            if kept:
                numbers = [each.number for each in kept]
                await post(partition, self._tasks, Kind.EPISODE, numbers)
                await _count(partition, len(kept), sum(each.terms for each in kept))
            return tuple(made)

        return await self._store.write(namespace, keep)

    async def get(self, episode_id: str, *, namespace: Where = None) -> Episode:
        """The episode with this id. Raises InputError (`unknown_episode`, `bad_text`)."""
        accepted_name(episode_id, "the id of an episode")
        async with self._store.reading(namespace) as partition:
            found = await _episode_where(partition, _episode.c.uid == episode_id)
        if found is None:
            raise _unknown(episode_id)
        has_read(found.taint)
        return found

    async def missing(self, ids: Collection[str], *, namespace: Where = None) -> tuple[str, ...]:
        """Those of `ids` that no episode has, here or below, and none had that was forgotten."""
        for each in ids:
            accepted_name(each, "the id of an episode")
        known: set[str] = set()
        async with self._store.counting(namespace) as branch:
            for table in (_episode, tables.tombstone):
                some = [table.c.uid.in_(list(ids))]
                known.update(row.uid for row in await branch.count(table, table.c.uid, where=some))
        return tuple(each for each in ids if each not in known)

    async def of_thread(
        self, thread: str, *, namespace: Where = None, most: int = 100
    ) -> tuple[Episode, ...]:
        """The last episodes of a thread, in the order in which they were remembered."""
        accepted_name(thread, "the thread")
        async with self._store.reading(namespace) as partition:
            query = episode_rows(partition).where(_episode.c.thread == thread)
            rows = await partition.execute(query.order_by(_episode.c.id.desc()).limit(most))
            said = tuple(episode_of(row) for row in rows)[::-1]
        has_read(label for each in said for label in each.taint)
        return said

    # ---- within --------------------------------------------------------------------------------

    async def _keep(
        self, partition: Partition, prepared: _Prepared, kept: list[_Kept]
    ) -> Remembered:
        checked = prepared.checked
        draft = checked.draft
        found = await look_up(partition, checked, prepared.fingerprint, prepared.sentences)
        if draft.previous is not None and found.before is None:
            raise _unknown(draft.previous)
        if found.keyed is not None:
            return Remembered(await _keyed(partition, found.keyed, draft), "duplicate")
        if found.taken is not None:
            return await _taken(partition, *found.taken, checked)
        key = draft.idempotency_key
        if key is not None and await is_erased(partition, idempotency_key=key):
            raise InputError(
                "episode_erased",
                "what was remembered under this idempotency key was forgotten, and stays so; to "
                "tell it anew, use another key",
            )
        gone = await _gone(partition, found, draft)
        if found.same is not None and (int(Kind.EPISODE), found.same) not in gone:
            await self._said_again(partition, found.same, checked)
            there = await _episode_where(partition, _episode.c.id == found.same)
            assert there is not None
            await take(partition, key, draft.text, "duplicate", (int(Kind.EPISODE), found.same))
            return Remembered(there, "duplicate")
        known = {key for key, item in found.echoes.items() if item not in gone}
        if known and draft.origin is Origin.USER:
            known &= await _own_words(partition, found, checked)
        if is_echo(draft.origin, prepared.sentences, known):
            return await self._echo(partition, found, prepared, gone)
        return await _insert(partition, prepared, found.before, kept, self._store.new_id())

    async def _echo(
        self,
        partition: Partition,
        found: Found,
        prepared: _Prepared,
        gone: set[tuple[int, int]],
    ) -> Remembered:
        checked = prepared.checked
        key, text = checked.draft.idempotency_key, checked.draft.text
        items = [item for item in found.echoes.values() if item not in gone]
        for item in items:
            if item[0] != Kind.EPISODE:
                continue
            there = await _episode_where(partition, _episode.c.id == item[1])
            if there is not None:
                if len(prepared.sentences) == 1:
                    await self._said_again(partition, item[1], checked)
                await take(partition, key, text, "echo", item)
                return Remembered(there, "echo")
        await take(partition, key, text, "echo", items[0])
        return Remembered(_unkept(partition, checked), "echo")

    async def _said_again(self, partition: Partition, number: int, checked: CheckedDraft) -> None:
        """Facts that a person states anew hold again, even where they are closed by now."""
        if checked.draft.origin is Origin.USER and EXTRACT in self._tasks:
            at = partition.now if checked.occurred_at is None else checked.occurred_at
            await say_again(partition, EXTRACT, number, at)


async def _prepared(checked: CheckedDraft) -> _Prepared:
    text = checked.draft.text
    work = partial(_worked_out, text, checked.draft.origin)
    mark, found = await asyncio.to_thread(work) if len(text) > LONG else work()
    return _Prepared(checked, mark, await analysed(text), found)


def _worked_out(text: str, origin: Origin) -> tuple[str, list[Candidate]]:
    return fingerprint(text), candidates(text, origin)


async def _gone(partition: Partition, found: Found, draft: Draft) -> set[tuple[int, int]]:
    """What of `found` does not stand any more. Only a person's word counts against it."""
    if draft.origin is not Origin.USER:
        return set()
    items = set(found.echoes.values())
    if found.same is not None:
        items.add((int(Kind.EPISODE), found.same))
    return await overtaken(partition, items, partition.now) if items else set()


async def _own_words(partition: Partition, found: Found, checked: CheckedDraft) -> set[str]:
    """The keys of what the same person said, trusted and in the same thread.

    Whoever states when something was, or says it to somebody else, tells it anew.
    """
    draft = checked.draft
    if checked.occurred_at is not None or draft.taint:
        return set()
    numbers = {number for kind, number in found.echoes.values() if kind == Kind.EPISODE}
    query = sa.select(_episode.c.id).where(
        numbered(partition, _episode, numbers),
        _episode.c.origin == str(Origin.USER),
        _episode.c.actor == draft.actor,
        _episode.c.taint == "[]",
    )
    if draft.thread:
        query = query.where(_episode.c.thread == draft.thread)
    own = set((await partition.execute(query)).scalars())
    return {
        key
        for key, (kind, number) in found.echoes.items()
        if kind == Kind.EPISODE and number in own
    }


async def _taken(
    partition: Partition,
    item: tuple[int, int],
    outcome: Outcome | None,
    checked: CheckedDraft,
) -> Remembered:
    """What was found before under the key of a draft, if it was for the same text."""
    if outcome is None:
        raise InputError(
            "idempotency_conflict",
            f"the idempotency key {checked.draft.idempotency_key!r} belongs to another text, which "
            "was known already: a key stands for one text",
        )
    kind, number = item
    there = None
    if kind == Kind.EPISODE:
        there = await _episode_where(partition, _episode.c.id == number)
    return Remembered(_unkept(partition, checked) if there is None else there, outcome)


async def _keyed(partition: Partition, number: int, draft: Draft) -> Episode:
    """The episode that has the key of `draft`, if it was made from the same text."""
    row = (await partition.execute(episode_rows(partition).where(_episode.c.id == number))).one()
    if row.content_hash != content_hash(draft.text):
        raise InputError(
            "idempotency_conflict",
            f"the idempotency key {draft.idempotency_key!r} belongs to another text (episode "
            f"{row.uid}): a key stands for one text",
        )
    return episode_of(row)


async def _insert(
    partition: Partition,
    prepared: _Prepared,
    before: tuple[int, str] | None,
    kept: list[_Kept],
    uid: str,
) -> Remembered:
    checked = prepared.checked
    draft = checked.draft
    occurred_at = partition.now if checked.occurred_at is None else checked.occurred_at
    number = await partition.add(
        _episode,
        uid=uid,
        text=draft.text,
        actor=draft.actor,
        source=draft.source,
        origin=str(draft.origin),
        thread=draft.thread,
        occurred_at=occurred_at,
        recorded_at=partition.now,
        previous_id=None if before is None else before[0],
        taint=checked.taint,
        metadata=checked.metadata,
        terms=" ".join(prepared.terms),
        length=len(prepared.terms),
        content_hash=content_hash(draft.text),
        fingerprint=prepared.fingerprint,
        idempotency_key=draft.idempotency_key,
    )
    await lexical_index.index(partition, Kind.EPISODE, number, prepared.terms)
    kept.append(_Kept(number, len(prepared.terms)))
    made = replace(_unkept(partition, checked), id=uid, previous=before and before[1])
    return Remembered(made, "new")


def _unkept(partition: Partition, checked: CheckedDraft) -> Episode:
    draft = checked.draft
    recorded_at = moment(partition.now)
    assert recorded_at is not None
    return Episode(
        id="",
        text=draft.text,
        actor=draft.actor,
        source=draft.source,
        origin=draft.origin,
        thread=draft.thread,
        occurred_at=moment(checked.occurred_at) or recorded_at,
        recorded_at=recorded_at,
        taint=frozenset(json.loads(checked.taint)),
        metadata=json.loads(checked.metadata),
    )


async def _episode_where(partition: Partition, condition: sa.ColumnElement[bool]) -> Episode | None:
    row = (await partition.execute(episode_rows(partition).where(condition))).first()
    return None if row is None else episode_of(row)


async def _count(partition: Partition, episodes: int, terms: int) -> None:
    """Move the counters of the namespace on."""
    table = tables.namespace
    await partition.execute(
        sa.update(table)
        .where(table.c.id == partition.id)
        .values(episodes=table.c.episodes + episodes, terms=table.c.terms + terms)
    )


def _unknown(episode_id: str) -> InputError:
    return InputError("unknown_episode", f"there is no episode {episode_id!r} in this namespace")
