"""Episodes as they come out of the database."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.fence import numbered, owned
from treadle.memory.kinds import Origin
from treadle.memory.store import Partition
from treadle.memory.times import moment


def episode_rows(partition: Partition, numbers: Collection[int] | None = None) -> sa.Select[Any]:
    """A query for the episodes of a namespace, each with the id of the one before it.

    numbers: those with these numbers; None for all.
    """
    episode = tables.episode
    before = episode.alias("before")
    return (
        sa.select(
            *(column for column in episode.c if column.name not in ("terms", "length")),
            before.c.uid.label("previous_uid"),
        )
        .select_from(episode)
        .where(
            partition.owns(episode) if numbers is None else numbered(partition, episode, numbers)
        )
        .outerjoin(before, (before.c.id == episode.c.previous_id) & owned(partition, before))
    )


def episode_of(row: sa.Row[Any]) -> Episode:
    """The episode of a row that `episode_rows` gave."""
    occurred_at = moment(row.occurred_at)
    recorded_at = moment(row.recorded_at)
    assert occurred_at is not None
    assert recorded_at is not None
    return Episode(
        id=row.uid,
        text=row.text,
        actor=row.actor,
        source=row.source,
        origin=Origin(row.origin),
        thread=row.thread,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        previous=row.previous_uid,
        taint=frozenset(json.loads(row.taint)),
        metadata=json.loads(row.metadata),
    )
