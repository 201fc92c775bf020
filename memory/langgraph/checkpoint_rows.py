"""Checkpoints as rows: what is read and written of one tenant, within one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from treadle.core.json_value import storable_json
from treadle.memory.langgraph import tables
from treadle.memory.langgraph.stored_checkpoint import (
    EMPTY,
    Packed,
    Place,
    StoredCheckpoint,
    StoredWrite,
    Wanted,
    WholeCheckpoint,
)
from treadle.memory.langgraph.tables import checkpoint, checkpoint_value, checkpoint_write

_MOST_PAIRS = 400
"""Pairs of a channel and a version in one query: databases limit the parameters of one."""


class CheckpointRows:
    """The checkpoints of one tenant. All queries of them stand here, each with the tenant."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    # ---- reading -------------------------------------------------------------------------------

    async def find(self, place: Place, checkpoint_id: str | None) -> WholeCheckpoint | None:
        """The checkpoint with this id, or the latest of the place."""
        wanted = Wanted(place[0], place[1], checkpoint_id)
        rows = await self.page(wanted, 1)
        return (await self.complete(rows))[0] if rows else None

    async def page(self, wanted: Wanted, limit: int) -> list[StoredCheckpoint]:
        """The first `limit` of those wanted, the highest ids first."""
        table = checkpoint.c
        query = self._of(checkpoint)
        if wanted.thread_id is not None:
            query = query.where(table.thread_id == wanted.thread_id)
        if wanted.namespace is not None:
            query = query.where(table.namespace == wanted.namespace)
        if wanted.checkpoint_id is not None:
            query = query.where(table.checkpoint_id == wanted.checkpoint_id)
        if wanted.before is not None:
            query = query.where(table.checkpoint_id < wanted.before)
        if wanted.after is not None:
            last, place = wanted.after
            further = sa.tuple_(table.thread_id, table.namespace) > sa.tuple_(*place)
            query = query.where(
                sa.or_(table.checkpoint_id < last, sa.and_(table.checkpoint_id == last, further))
            )
        query = query.order_by(table.checkpoint_id.desc(), table.thread_id, table.namespace)
        found = await self._connection.execute(query.limit(limit))
        return [_stored(row) for row in found]

    async def complete(self, rows: Sequence[StoredCheckpoint]) -> list[WholeCheckpoint]:
        """The same with values and writes."""
        whole = [WholeCheckpoint(row) for row in rows]
        by_place: dict[Place, list[WholeCheckpoint]] = {}
        for each in whole:
            by_place.setdefault(each.row.place, []).append(each)
        for place, group in by_place.items():
            pairs = {pair for each in group for pair in each.row.channels.items()}
            values = await self.values(place, pairs)
            writes = await self.writes(place, [each.row.checkpoint_id for each in group])
            for each in group:
                each.values = {
                    channel: values[channel, version]
                    for channel, version in each.row.channels.items()
                    if (channel, version) in values
                }
                each.writes = writes.get(each.row.checkpoint_id, [])
        return whole

    async def values(
        self, place: Place, pairs: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], Packed]:
        """The values of channels at versions, where they had one."""
        table = checkpoint_value.c
        found: dict[tuple[str, str], Packed] = {}
        for some in _in_parts(sorted(pairs)):
            query = self._at(checkpoint_value, place).where(
                sa.tuple_(table.channel, table.version).in_(some), table.kind != EMPTY
            )
            for row in await self._connection.execute(query):
                found[row.channel, row.version] = row.kind, bytes(row.body)
        return found

    async def filled(self, place: Place, channels: Sequence[str]) -> set[tuple[str, str]]:
        """At which versions these channels have a value at all."""
        table = checkpoint_value.c
        query = sa.select(table.channel, table.version).where(
            *self._here(checkpoint_value, place),
            table.channel.in_(channels),
            table.kind != EMPTY,
        )
        return {(row.channel, row.version) for row in await self._connection.execute(query)}

    async def writes(
        self, place: Place, ids: Sequence[str], channels: Sequence[str] | None = None
    ) -> dict[str, list[StoredWrite]]:
        """What was written since each of these checkpoints, in the order of LangGraph's tasks."""
        table = checkpoint_write.c
        found: dict[str, list[StoredWrite]] = {}
        for some in _in_parts(ids):
            query = self._at(checkpoint_write, place).where(table.checkpoint_id.in_(some))
            if channels is not None:
                query = query.where(table.channel.in_(channels))
            for row in await self._connection.execute(query):
                write = StoredWrite(
                    row.task_id,
                    row.position,
                    row.task_path,
                    row.channel,
                    (row.kind, bytes(row.body)),
                )
                found.setdefault(row.checkpoint_id, []).append(write)
        for each in found.values():
            each.sort(key=lambda write: (write.task_path, write.task_id, write.position))
        return found

    async def parents(self, place: Place, first: str, most: int) -> list[StoredCheckpoint]:
        """The checkpoint `first` and its ancestors, nearest first, `most` at the most."""
        table = checkpoint
        start = (
            sa.select(table.c.checkpoint_id, table.c.parent_id, sa.literal(0).label("depth"))
            .where(*self._here(table, place), table.c.checkpoint_id == first)
            .cte("chain", recursive=True)
        )
        chain = start.union_all(
            sa.select(table.c.checkpoint_id, table.c.parent_id, start.c.depth + 1).where(
                *self._here(table, place),
                table.c.checkpoint_id == start.c.parent_id,
                start.c.depth < most - 1,  # which ends it even where a chain is a ring
            )
        )
        query = (
            sa.select(table)
            .join(chain, table.c.checkpoint_id == chain.c.checkpoint_id)
            .where(*self._here(table, place))
            .order_by(chain.c.depth)
        )
        return [_stored(row) for row in await self._connection.execute(query)]

    # ---- writing -------------------------------------------------------------------------------

    async def put(
        self,
        stored: StoredCheckpoint,
        values: Mapping[tuple[str, str], Packed],
        *,
        run_id: str | None,
        now: float,
    ) -> None:
        """Keep a checkpoint, and those values of its channels that are new."""
        thread_id, namespace = stored.place
        where = {"tenant": self._tenant, "thread_id": thread_id, "namespace": namespace}
        row: dict[str, object] = {
            **where,
            "checkpoint_id": stored.checkpoint_id,
            "parent_id": stored.parent_id,
            "run_id": run_id,
            "kind": stored.body[0],
            "body": stored.body[1],
            "metadata_kind": stored.metadata[0],
            "metadata": stored.metadata[1],
            "channels": storable_json(dict(stored.channels)),
            "written_at": now,
        }
        if values:
            await self._upsert(
                checkpoint_value,
                [
                    {
                        **where,
                        "channel": channel,
                        "version": version,
                        "kind": packed[0],
                        "body": packed[1],
                    }
                    for (channel, version), packed in sorted(values.items())
                ],
            )
        await self._upsert(checkpoint, [row])

    async def put_writes(
        self, place: Place, checkpoint_id: str, writes: Iterable[StoredWrite]
    ) -> None:
        """Keep writes. What a task has written before stays, but in channels of LangGraph's own."""
        rows: dict[bool, dict[tuple[str, int], dict[str, object]]] = {True: {}, False: {}}
        for each in writes:
            rows[each.position < 0][each.task_id, each.position] = {
                "tenant": self._tenant,
                "thread_id": place[0],
                "namespace": place[1],
                "checkpoint_id": checkpoint_id,
                "task_id": each.task_id,
                "position": each.position,
                "task_path": each.task_path,
                "channel": each.channel,
                "kind": each.value[0],
                "body": each.value[1],
            }
        if rows[False]:
            insert = self._insert(checkpoint_write).on_conflict_do_nothing()
            await self._connection.execute(insert, list(rows[False].values()))
        if rows[True]:
            await self._upsert(checkpoint_write, list(rows[True].values()))

    async def copy(self, source: str, target: str) -> None:
        """Copy all of a thread; what the target has already stays as it is."""
        for table in tables.CHECKPOINT_TABLES:
            columns = [
                sa.literal(target).label("thread_id") if each.name == "thread_id" else each
                for each in table.columns
            ]
            rows = sa.select(*columns).where(
                table.c.tenant == self._tenant, table.c.thread_id == source
            )
            insert = self._insert(table).from_select([each.name for each in table.columns], rows)
            await self._connection.execute(insert.on_conflict_do_nothing())

    # ---- deleting ------------------------------------------------------------------------------

    async def delete_threads(self, thread_ids: Iterable[str]) -> int:
        """Delete all that is kept of threads; return how many checkpoints that were."""
        count = 0
        for some in _in_parts(sorted(set(thread_ids))):
            for table in tables.CHECKPOINT_TABLES:
                gone = await self._connection.execute(
                    sa.delete(table).where(
                        table.c.tenant == self._tenant, table.c.thread_id.in_(some)
                    )
                )
                if table is checkpoint:
                    count += gone.rowcount
        return count

    async def delete(self, place: Place, ids: Iterable[str]) -> None:
        """Delete checkpoints of one place, their writes, and values that no other has."""
        for some in _in_parts(sorted(set(ids))):
            for table in (checkpoint_write, checkpoint):
                await self._connection.execute(
                    sa.delete(table).where(
                        *self._here(table, place), table.c.checkpoint_id.in_(some)
                    )
                )
        await self._drop_unused(place)

    async def of_runs(self, run_ids: Iterable[str]) -> dict[Place, list[str]]:
        """The checkpoints that these runs have made."""
        table = checkpoint.c
        found: dict[Place, list[str]] = {}
        for some in _in_parts(sorted(set(run_ids))):
            query = sa.select(table.thread_id, table.namespace, table.checkpoint_id).where(
                table.tenant == self._tenant, table.run_id.in_(some)
            )
            for row in await self._connection.execute(query):
                found.setdefault((row.thread_id, row.namespace), []).append(row.checkpoint_id)
        return found

    async def ids(self, thread_id: str) -> dict[str, list[str]]:
        """The checkpoints of a thread by namespace, the highest ids first."""
        table = checkpoint.c
        query = (
            sa.select(table.namespace, table.checkpoint_id)
            .where(table.tenant == self._tenant, table.thread_id == thread_id)
            .order_by(table.checkpoint_id.desc())
        )
        found: dict[str, list[str]] = {}
        for row in await self._connection.execute(query):
            found.setdefault(row.namespace, []).append(row.checkpoint_id)
        return found

    async def idle_threads(self, since: float) -> list[str]:
        """The threads whose latest checkpoint was written before `since`."""
        table = checkpoint.c
        query = (
            sa.select(table.thread_id)
            .where(table.tenant == self._tenant)
            .group_by(table.thread_id)
            .having(sa.func.max(table.written_at) < since)
        )
        return list((await self._connection.execute(query)).scalars())

    async def _drop_unused(self, place: Place) -> None:
        used: set[tuple[str, str]] = set()
        query = sa.select(checkpoint.c.channels).where(*self._here(checkpoint, place))
        for channels in (await self._connection.execute(query)).scalars():
            used.update(json.loads(channels).items())
        table = checkpoint_value.c
        kept = sa.select(table.channel, table.version).where(*self._here(checkpoint_value, place))
        unused = [
            (row.channel, row.version)
            for row in await self._connection.execute(kept)
            if (row.channel, row.version) not in used
        ]
        for some in _in_parts(unused):
            await self._connection.execute(
                sa.delete(checkpoint_value).where(
                    *self._here(checkpoint_value, place),
                    sa.tuple_(table.channel, table.version).in_(some),
                )
            )

    # ---- within --------------------------------------------------------------------------------

    def _of(self, table: sa.Table) -> sa.Select[Any]:
        return sa.select(table).where(table.c.tenant == self._tenant)

    def _at(self, table: sa.Table, place: Place) -> sa.Select[Any]:
        return sa.select(table).where(*self._here(table, place))

    def _here(self, table: sa.Table, place: Place) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            table.c.tenant == self._tenant,
            table.c.thread_id == place[0],
            table.c.namespace == place[1],
        )

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        is_sqlite = self._connection.dialect.name == "sqlite"
        return sqlite.insert(table) if is_sqlite else postgresql.insert(table)

    async def _upsert(self, table: sa.Table, rows: list[dict[str, object]]) -> None:
        insert = self._insert(table)
        changed = {
            each.name: insert.excluded[each.name] for each in table.columns if not each.primary_key
        }
        keys = list(table.primary_key)
        await self._connection.execute(
            insert.on_conflict_do_update(index_elements=keys, set_=changed), rows
        )


def _stored(row: Any) -> StoredCheckpoint:
    return StoredCheckpoint(
        (row.thread_id, row.namespace),
        row.checkpoint_id,
        row.parent_id,
        (row.kind, bytes(row.body)),
        (row.metadata_kind, bytes(row.metadata)),
        json.loads(row.channels),
    )


def _in_parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + _MOST_PAIRS] for start in range(0, len(items), _MOST_PAIRS))
