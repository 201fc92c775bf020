"""Episodes as they come out of the database."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.kinds import Origin
from treadle.memory.store import Partition
from treadle.memory.times import moment


def episode_rows(partition: Partition) -> sa.Select[Any]:
    """A query for the episodes of a namespace, each with the id of the one before it."""
    episode = tables.episode
    before = episode.alias("before")
    return partition.rows(
        episode,
        *(column for column in episode.c if column.name not in ("terms", "length")),
        before.c.uid.label("previous_uid"),
    ).outerjoin(before, (before.c.id == episode.c.previous_id) & partition.owns(before))


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
