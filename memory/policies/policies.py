"""Keeping namespaces within their limits: the oldest and least used goes first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.erasure.cascade import erase
from treadle.memory.erasure.selection import select_old
from treadle.memory.namespace import Namespace, Where
from treadle.memory.policies.policy import Policy
from treadle.memory.store import Partition, Store

_BATCH = 200
"""Episodes that go in one transaction: others that write wait for its end."""

_episode = tables.episode.c
_space = tables.namespace.c


@dataclass(frozen=True, slots=True)
class Enforced:
    """What had to go, in rows per table.

    expired, over_count, over_bytes: episodes, by the limit that they were above.
    """

    erased: Mapping[str, int] = field(default_factory=dict)
    expired: int = 0
    over_count: int = 0
    over_bytes: int = 0


class Policies:
    """The limits of the namespaces of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def set(self, policy: Policy, *, namespace: Where = None) -> None:
        """Set the limits of a namespace, in place of those before; `enforce` makes them hold."""
        async with self._store.writing(namespace) as partition:
            await partition.execute(
                sa.update(tables.namespace)
                .where(_space.id == partition.id)
                .values(
                    most_episodes=policy.most_episodes,
                    most_bytes=policy.most_bytes,
                    keep_seconds=policy.keep_seconds,
                )
            )

    async def get(self, *, namespace: Where = None) -> Policy:
        """The limits of a namespace; none where it is not there."""
        async with self._store.reading(namespace) as partition:
            return await _policy(partition)

    async def limited(self) -> tuple[Namespace, ...]:
        """The namespaces that have limits, of all tenants."""
        query = sa.select(_space.tenant, _space.path).where(
            sa.or_(
                _space.most_episodes.is_not(None),
                _space.most_bytes.is_not(None),
                _space.keep_seconds.is_not(None),
            )
        )
        async with self._store.database.reading() as connection:
            found = await connection.execute(query.order_by(_space.tenant, _space.path))
            return tuple(Namespace(row.path, row.tenant) for row in found)

    async def excess(self, policy: Policy, *, namespace: Where = None) -> int:
        """How many episodes would go now, were these the limits of a namespace."""
        at = self._store.clock.now()
        async with self._store.reading(namespace) as partition:
            return await _above(partition, policy, at)

    async def enforce(self, now: float | None = None, *, namespace: Where = None) -> Enforced:
        """Erase what is above the limits, with what only it says; in several transactions.

        now: seconds since 1970; the store's clock by default. Calling it again does no harm.
        """
        at = self._store.clock.now() if now is None else now
        erased: Counter[str] = Counter()
        went = Counter[str]()
        policy = await self.get(namespace=namespace)
        if policy == Policy():
            return Enforced()
        while True:
            async with self._store.writing(namespace) as partition:
                why, numbers = await _excess(partition, policy, at)
                if not numbers:
                    break
                doomed = await select_old(partition, numbers)
                # No tombstones: what grew old may come back, by an import for example.
                erased += await erase(partition, doomed, tombstones=False)
                went[why] += len(numbers)
        return Enforced(dict(erased), went["expired"], went["count"], went["bytes"])


async def _policy(partition: Partition) -> Policy:
    query = sa.select(_space.most_episodes, _space.most_bytes, _space.keep_seconds).where(
        _space.id == partition.id
    )
    row = (await partition.execute(query)).first()
    return Policy() if row is None else Policy(row.most_episodes, row.most_bytes, row.keep_seconds)


async def _excess(partition: Partition, policy: Policy, now: float) -> tuple[str, list[int]]:
    """Which episodes go next, and why; none where the limits hold."""
    if policy.keep_seconds is not None:
        query = partition.rows(tables.episode, _episode.id).where(
            _episode.recorded_at < now - policy.keep_seconds
        )
        expired = await partition.execute(query.order_by(_episode.id).limit(_BATCH))
        numbers = list(expired.scalars())
        if numbers:
            return "expired", numbers
    size = _size(partition)
    totals = partition.rows(
        tables.episode,
        sa.func.count().label("episodes"),
        sa.func.coalesce(sa.func.sum(size), 0).label("size"),
    )
    held = (await partition.execute(totals)).one()
    if policy.most_episodes is not None and held.episodes > policy.most_episodes:
        query = _least_useful(partition, size).limit(
            min(_BATCH, held.episodes - policy.most_episodes)
        )
        return "count", [row.id for row in await partition.execute(query)]
    if policy.most_bytes is not None and held.size > policy.most_bytes:
        over = held.size - policy.most_bytes
        numbers = []
        for row in await partition.execute(_least_useful(partition, size).limit(_BATCH)):
            if over <= 0:
                break
            numbers.append(row.id)
            over -= row.size
        return "bytes", numbers
    return "", []


async def _above(partition: Partition, policy: Policy, now: float) -> int:
    """What `_excess` comes to, in the end, without any of it going."""
    oldest = -math.inf if policy.keep_seconds is None else now - policy.keep_seconds
    expired = kept = kept_bytes = 0
    left = list[int]()
    rows = _least_useful(partition, _size(partition)).add_columns(_episode.recorded_at)
    for row in await partition.execute(rows):
        if row.recorded_at < oldest:
            expired += 1
        else:
            left.append(row.size)
            kept += 1
            kept_bytes += row.size
    gone = 0
    for size in left:
        many = policy.most_episodes is not None and kept > policy.most_episodes
        large = policy.most_bytes is not None and kept_bytes > policy.most_bytes
        if not many and not large:
            break
        gone += 1
        kept -= 1
        kept_bytes -= size
    return expired + gone


def _size(partition: Partition) -> sa.ColumnElement[Any]:
    """The bytes of an episode's text."""
    if partition.is_sqlite:
        return sa.func.length(sa.cast(_episode.text, sa.LargeBinary))
    return sa.func.octet_length(_episode.text)


def _least_useful(partition: Partition, size: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Those longest not recorded or used come first; among equals those used least."""
    last = sa.func.coalesce(_episode.used_at, _episode.recorded_at)
    return partition.rows(tables.episode, _episode.id, size.label("size")).order_by(
        last, _episode.uses, _episode.id
    )
