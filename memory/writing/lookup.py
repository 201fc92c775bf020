"""What must be known before an episode is kept, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.store import Partition
from treadle.memory.writing.draft import CheckedDraft
from treadle.memory.writing.echo_keys import Candidate
from treadle.memory.writing.taken_keys import Outcome, marks, outcome_of

_episode = tables.episode
_recalled = tables.recalled


@dataclass(frozen=True, slots=True)
class Found:
    """What is there already; numbers of rows, None where there is none.

    before: what comes before the new episode: number and id.
    keyed: the episode with its idempotency key.
    same: an episode with its words.
    echoes: by each of its keys that was recalled, what was: (kind, number).
    taken: what a text with its idempotency key was found to be, and the outcome; None for the
        outcome where it was another text.
    """

    before: tuple[int, str] | None
    keyed: int | None
    same: int | None
    echoes: dict[str, tuple[int, int]]
    taken: tuple[tuple[int, int], Outcome | None] | None = None


async def look_up(
    partition: Partition, checked: CheckedDraft, fingerprint: str, found: Sequence[Candidate]
) -> Found:
    """What the namespace has about a draft."""
    draft = checked.draft
    parts: list[sa.Select[Any]] = []
    if draft.previous is not None or draft.thread:
        before = partition.rows(_episode, *_columns("before", _episode.c.id, key=_episode.c.uid))
        if draft.previous is not None:
            parts.append(before.where(_episode.c.uid == draft.previous))
        else:
            last = before.where(_episode.c.thread == draft.thread)
            last = last.order_by(_episode.c.id.desc()).limit(1)
            # Within a union, only a query in parentheses has an order of its own.
            parts.append(sa.select(last.subquery()))
    if draft.idempotency_key is not None:
        keyed = partition.rows(_episode, *_columns("keyed", _episode.c.id))
        parts.append(keyed.where(_episode.c.idempotency_key == draft.idempotency_key))
    if not draft.is_turn or checked.occurred_at is not None:
        newest = sa.func.max(_episode.c.id)
        same = partition.rows(_episode, *_columns("same", newest)).where(
            _episode.c.fingerprint == fingerprint,
            _episode.c.thread == draft.thread,
            _episode.c.actor == draft.actor,
            _episode.c.source == draft.source,
            _episode.c.origin == str(draft.origin),
            # What somebody trusted says is not what was read somewhere.
            _episode.c.taint == checked.taint,
        )
        if checked.occurred_at is not None:
            # Who says when something was, and another time than before, tells of something else.
            same = same.where(_episode.c.occurred_at == checked.occurred_at)
        parts.append(same)
    keys = list(dict.fromkeys(key for each in found for key in each.keys))
    if draft.idempotency_key is not None:
        keys += marks(draft.idempotency_key, draft.text)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        echoes = partition.rows(
            _recalled,
            *_columns(
                "echo", _recalled.c.item_id, key=_recalled.c.fingerprint, kind=_recalled.c.kind
            ),
        ).where(_recalled.c.fingerprint.in_(keys[start : start + _KEYS_AT_ONCE]))
        parts.append(echoes)
    if not parts:
        return Found(None, None, None, {})
    rows = (await partition.execute(sa.union_all(*parts))).all()
    recalled = {row.key: (row.kind, row.number) for row in rows if row.what == "echo"}
    taken = None
    if draft.idempotency_key is not None:
        said = outcome_of(recalled, draft.idempotency_key, draft.text)
        taken = said and (recalled[said[0]], said[1])
        for mark in marks(draft.idempotency_key, draft.text):
            recalled.pop(mark, None)
    single = {row.what: row.number for row in rows if row.what != "echo"}
    return Found(
        before=next(((row.number, row.key) for row in rows if row.what == "before"), None),
        keyed=single.get("keyed"),
        same=single.get("same"),
        echoes=recalled,
        taken=taken,
    )


_KEYS_AT_ONCE = 500


def _columns(
    what: str,
    number: sa.ColumnElement[Any],
    *,
    key: sa.ColumnElement[Any] | None = None,
    kind: sa.ColumnElement[Any] | None = None,
) -> tuple[sa.ColumnElement[Any], ...]:
    return (
        sa.literal(what).label("what"),
        (sa.literal("") if key is None else key).label("key"),
        (sa.literal(0) if kind is None else kind).label("kind"),
        number.label("number"),
    )
