"""Items of a store as rows: what is read and written of one tenant, within one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from langgraph.store.base import Item, SearchItem
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from treadle.memory.langgraph.filters import passes
from treadle.memory.langgraph.label_paths import Labels, labels_of, namespace_text
from treadle.memory.langgraph.tables import store_item, store_vector
from treadle.memory.langgraph.vectors import cosines

_MOST_KEYS = 400
_AT_FIRST, _AT_A_TIME = 64, 1_024
"""Items that are looked at before more are read: they may be large, and the first may do."""

_VECTORS_AT_A_TIME = 2_000


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row of `store_item`."""

    item_id: int
    namespace: str
    key: str
    value: str
    created_at: float
    updated_at: float
    has_ttl: bool

    def item(self) -> Item:
        """The item as `get` gives it."""
        return Item(**self._fields())

    def search_item(self, score: float | None = None) -> SearchItem:
        """The item as `search` gives it."""
        return SearchItem(**self._fields(), score=score)

    def _fields(self) -> dict[str, Any]:
        return {
            "namespace": labels_of(self.namespace),
            "key": self.key,
            "value": json.loads(self.value),
            "created_at": datetime.fromtimestamp(self.created_at, UTC),
            "updated_at": datetime.fromtimestamp(self.updated_at, UTC),
        }


@dataclass(frozen=True, slots=True)
class NewItem:
    """What is put; vectors: by the path of the text that each is of."""

    namespace: str
    key: str
    value: str
    ttl_minutes: float | None
    vectors: Mapping[str, bytes] = field(default_factory=dict)


class ItemRows:
    """The items of one tenant. All queries of them stand here, each with the tenant.

    now: the time, in seconds since 1970.
    omit_expired: whether items whose time is over are as good as deleted.
    """

    def __init__(
        self, connection: AsyncConnection, tenant: str, now: float, *, omit_expired: bool = False
    ) -> None:
        self._connection = connection
        self._now = now
        self._seen = [store_item.c.tenant == tenant]
        self._tenant = tenant
        if omit_expired:
            expires = store_item.c.expires_at
            self._seen.append(sa.or_(expires.is_(None), expires > now))

    # ---- reading -------------------------------------------------------------------------------

    async def get(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ItemRow]:
        """The items with these (namespace, key)."""
        wanted = sorted(set(names))
        found: dict[tuple[str, str], ItemRow] = {}
        for some in _in_parts(wanted):
            pair = sa.tuple_(store_item.c.namespace, store_item.c.key)
            for row in await self._rows(pair.in_(some)):
                found[row.namespace, row.key] = row
        return found

    async def search(
        self, prefix: Labels, wanted: Mapping[str, Any] | None, limit: int, offset: int
    ) -> list[ItemRow]:
        """Items below `prefix` that pass the filter, what was put last first."""
        if not wanted:
            query = self._query(*_below(prefix)).order_by(*_NEWEST_FIRST)
            found = await self._connection.execute(query.limit(limit).offset(offset))
            return [_row(each) for each in found]
        rows: list[ItemRow] = []
        for some in _in_growing_parts(await self._ids(prefix) if limit else []):
            rows += [row for row in await self._by_ids(some) if _passes(row, wanted)]
            if len(rows) >= offset + limit:
                break
        return rows[offset : offset + limit]

    async def nearest(
        self,
        prefix: Labels,
        wanted: Mapping[str, Any] | None,
        limit: int,
        offset: int,
        query: bytes,
    ) -> list[tuple[ItemRow, float | None]]:
        """Items below `prefix` that pass the filter, those nearest to the vector first.

        An item is as near as the nearest of its texts. Items without a vector come last, and have
        no score.
        """
        candidates = await self._ids(prefix)
        if wanted:
            parts = _in_growing_parts(candidates)
            candidates = [
                row.item_id
                for some in parts
                for row in await self._by_ids(some)
                if _passes(row, wanted)
            ]
        scores = await self._scores(candidates, query)
        without = float("-inf")
        best = sorted(candidates, key=lambda each: scores.get(each, without), reverse=True)
        chosen = best[offset : offset + limit]
        by_id: dict[int, ItemRow] = {}
        for some in _in_parts(chosen):
            by_id.update((row.item_id, row) for row in await self._by_ids(some))
        return [(by_id[each], scores.get(each)) for each in chosen]

    async def namespaces(self, prefix: Labels) -> list[Labels]:
        """The namespaces that begin with these labels and have items."""
        query = sa.select(store_item.c.namespace).where(*self._seen, *_below(prefix)).distinct()
        return [labels_of(each) for each in (await self._connection.execute(query)).scalars()]

    # ---- writing -------------------------------------------------------------------------------

    async def put(self, items: Sequence[NewItem]) -> None:
        """Put items; those that are there already keep the time at which they were created."""
        # Everyone in the same order: two who put the same items never wait for each other.
        for each in sorted(items, key=lambda item: (item.namespace, item.key)):
            expires = None if each.ttl_minutes is None else self._now + each.ttl_minutes * 60
            changed = {
                "value": each.value,
                "updated_at": self._now,
                "ttl_minutes": each.ttl_minutes,
                "expires_at": expires,
            }
            insert = self._insert(store_item).values(
                tenant=self._tenant,
                namespace=each.namespace,
                key=each.key,
                created_at=self._now,
                **changed,
            )
            done = await self._connection.execute(
                insert.on_conflict_do_update(index_elements=_NAME, set_=changed).returning(
                    store_item.c.item_id
                )
            )
            item_id = done.scalar_one()
            await self._connection.execute(
                sa.delete(store_vector).where(store_vector.c.item_id == item_id)
            )
            if each.vectors:
                rows = [
                    {"item_id": item_id, "path": path, "vector": vector}
                    for path, vector in each.vectors.items()
                ]
                await self._connection.execute(self._insert(store_vector), rows)

    async def delete(self, names: Iterable[tuple[str, str]]) -> None:
        """Delete items, with their vectors."""
        for some in _in_parts(sorted(set(names))):
            pair = sa.tuple_(store_item.c.namespace, store_item.c.key)
            await self._connection.execute(
                sa.delete(store_item).where(store_item.c.tenant == self._tenant, pair.in_(some))
            )

    async def refresh(self, ids: Iterable[int]) -> None:
        """Let the time of items begin anew."""
        for some in _in_parts(sorted(set(ids))):
            table = store_item.c
            await self._connection.execute(
                sa.update(store_item)
                .where(
                    table.tenant == self._tenant,
                    table.item_id.in_(some),
                    table.ttl_minutes.is_not(None),
                )
                .values(expires_at=self._now + table.ttl_minutes * 60)
            )

    async def sweep(self) -> int:
        """Delete the items whose time is over; return how many these were."""
        gone = await self._connection.execute(
            sa.delete(store_item).where(
                store_item.c.tenant == self._tenant, store_item.c.expires_at <= self._now
            )
        )
        return gone.rowcount

    # ---- within --------------------------------------------------------------------------------

    def _query(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        return sa.select(store_item).where(*self._seen, *conditions)

    async def _rows(self, *conditions: sa.ColumnElement[bool]) -> list[ItemRow]:
        return [_row(each) for each in await self._connection.execute(self._query(*conditions))]

    async def _ids(self, prefix: Labels) -> list[int]:
        query = sa.select(store_item.c.item_id).where(*self._seen, *_below(prefix))
        return list((await self._connection.execute(query.order_by(*_NEWEST_FIRST))).scalars())

    async def _by_ids(self, ids: Sequence[int]) -> list[ItemRow]:
        """The items with these ids, in this order."""
        found = {row.item_id: row for row in await self._rows(store_item.c.item_id.in_(ids))}
        return [found[each] for each in ids if each in found]

    async def _scores(self, ids: Sequence[int], query: bytes) -> dict[int, float]:
        scores: dict[int, float] = {}
        for some in _in_parts(ids, _VECTORS_AT_A_TIME):
            vectors = sa.select(store_vector.c.item_id, store_vector.c.vector).where(
                store_vector.c.item_id.in_(some)
            )
            rows = (await self._connection.execute(vectors)).all()
            near = cosines(query, [bytes(row.vector) for row in rows])
            for row, score in zip(rows, near, strict=True):
                scores[row.item_id] = max(score, scores.get(row.item_id, score))
        return scores

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        is_sqlite = self._connection.dialect.name == "sqlite"
        return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


_NAME = [store_item.c.tenant, store_item.c.namespace, store_item.c.key]
_NEWEST_FIRST = (store_item.c.updated_at.desc(), store_item.c.item_id.desc())


def _below(prefix: Labels) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a namespace begins with these labels, in a form that an index serves."""
    if not prefix:
        return ()
    text = namespace_text(prefix)
    column = store_item.c.namespace
    # "/" is what comes after ".".
    return (sa.or_(column == text, sa.and_(column >= f"{text}.", column < f"{text}/")),)


def _row(row: Any) -> ItemRow:
    return ItemRow(
        row.item_id,
        row.namespace,
        row.key,
        row.value,
        row.created_at,
        row.updated_at,
        row.ttl_minutes is not None,
    )


def _passes(row: ItemRow, wanted: Mapping[str, Any]) -> bool:
    return passes(json.loads(row.value), wanted)


def _in_parts(items: Sequence[Any], size: int = _MOST_KEYS) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _in_growing_parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    start, size = 0, _AT_FIRST
    while start < len(items):
        yield items[start : start + size]
        start, size = start + size, min(2 * size, _AT_A_TIME)
