"""What must be known before an episode is kept, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.store import Partition
from treadle.memory.writing.draft import CheckedDraft
from treadle.memory.writing.echo_keys import Candidate

_episode = tables.episode
_recalled = tables.recalled


@dataclass(frozen=True, slots=True)
class Found:
    """What is there already; numbers of rows, None where there is none.

    before: what comes before the new episode: number and id.
    keyed: the episode with its idempotency key.
    same: an episode with its words.
    echoes: by each of its keys that was recalled, what was: (kind, number).
    """

    before: tuple[int, str] | None
    keyed: int | None
    same: int | None
    echoes: dict[str, tuple[int, int]]


async def look_up(
    partition: Partition, checked: CheckedDraft, fingerprint: str, found: Sequence[Candidate]
) -> Found:
    """What the namespace has about a draft."""
    draft = checked.draft
    parts: list[sa.Select[tuple[str, str, int, int]]] = []
    zero = sa.literal(0)
    none = sa.literal("")
    if draft.previous is not None or draft.thread:
        before = partition.rows(
            _episode, sa.literal("before").label("what"), _episode.c.uid, zero, _episode.c.id
        )
        if draft.previous is not None:
            parts.append(before.where(_episode.c.uid == draft.previous))
        else:
            last = before.where(_episode.c.thread == draft.thread)
            last = last.order_by(_episode.c.id.desc()).limit(1)
            # Within a union, only a query in parentheses has an order of its own.
            parts.append(sa.select(last.subquery()))
    if draft.idempotency_key is not None:
        keyed = partition.rows(_episode, sa.literal("keyed"), none, zero, _episode.c.id)
        parts.append(keyed.where(_episode.c.idempotency_key == draft.idempotency_key))
    if not draft.is_turn or checked.occurred_at is not None:
        newest = sa.func.max(_episode.c.id)
        same = partition.rows(_episode, sa.literal("same"), none, zero, newest).where(
            _episode.c.fingerprint == fingerprint,
            _episode.c.thread == draft.thread,
            _episode.c.actor == draft.actor,
            _episode.c.source == draft.source,
            _episode.c.origin == str(draft.origin),
        )
        if checked.occurred_at is not None:
            # Who says when something was, and another time than before, tells of something else.
            same = same.where(_episode.c.occurred_at == checked.occurred_at)
        parts.append(same)
    keys = list(dict.fromkeys(key for each in found for key in each.keys))
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        echoes = partition.rows(
            _recalled,
            sa.literal("echo"),
            _recalled.c.fingerprint,
            _recalled.c.kind,
            _recalled.c.item_id,
        ).where(_recalled.c.fingerprint.in_(keys[start : start + _KEYS_AT_ONCE]))
        parts.append(echoes)
    if not parts:
        return Found(None, None, None, {})
    rows = (await partition.execute(sa.union_all(*parts))).all()
    single = {what: number for what, _, _, number in rows if what != "echo"}
    return Found(
        before=next(((number, uid) for what, uid, _, number in rows if what == "before"), None),
        keyed=single.get("keyed"),
        same=single.get("same"),
        echoes={key: (kind, number) for what, key, kind, number in rows if what == "echo"},
    )


_KEYS_AT_ONCE = 500
