"""What a checkpointer does in the database, each in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

from langchain_core.runnables import RunnableConfig

from treadle.core.errors import InputError
from treadle.memory.langgraph.checkpoint_codec import (
    CheckpointCodec,
    checkpoint_id_of,
    place_of,
    thread_name,
)
from treadle.memory.langgraph.checkpoint_rows import CheckpointRows
from treadle.memory.langgraph.database_thread import Access
from treadle.memory.langgraph.delta import ChannelHistory, channel_histories, needed_ancestors
from treadle.memory.langgraph.stored_checkpoint import StoredCheckpoint, Wanted, WholeCheckpoint

ResultT = TypeVar("ResultT")
RowsWork: TypeAlias = Callable[[CheckpointRows], Awaitable[ResultT]]

_PAGE = 100
"""Checkpoints looked at in one query, without their values."""

_GROUP = 16
"""Checkpoints whose values are read at once."""


class Listing:
    """Where a listing stands: the next page, and how many are still wanted."""

    def __init__(
        self,
        codec: CheckpointCodec,
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> None:
        named = (config or {}).get("configurable") or {}
        self._codec = codec
        self._metadata = wanted
        self._left = limit
        self._thread = place_of(config)[0] if config else None
        self._namespace = place_of(config)[1] if config and "checkpoint_ns" in named else None
        self._id = checkpoint_id_of(config)
        self._before = checkpoint_id_of(before)
        self._after: tuple[str, tuple[str, str]] | None = None
        self.ended = limit is not None and limit <= 0

    async def page(self, rows: CheckpointRows) -> list[StoredCheckpoint]:
        wanted = Wanted(self._thread, self._namespace, self._id, self._before, self._after)
        found = await rows.page(wanted, _PAGE)
        self.ended = len(found) < _PAGE
        if found:
            self._after = found[-1].checkpoint_id, found[-1].place
        return found

    def select(self, rows: list[StoredCheckpoint]) -> list[StoredCheckpoint]:
        found = []
        for row in rows:
            if self._codec.matches(row, self._metadata):
                found.append(row)
                if self._left is not None and len(found) == self._left:
                    self.ended = True
                    break
        if self._left is not None:
            self._left -= len(found)
        return found


def within(
    work: RowsWork[ResultT], tenant: str, *, writes: bool
) -> Callable[[Access], Awaitable[ResultT]]:
    async def within(access: Access) -> ResultT:
        async with access.writing() if writes else access.reading() as connection:
            return await work(CheckpointRows(connection, tenant))

    return within


async def open_database(access: Access) -> None:
    await access.database.open()


def finding(config: RunnableConfig) -> RowsWork[WholeCheckpoint | None]:
    place, checkpoint_id = place_of(config), checkpoint_id_of(config)
    return lambda rows: rows.find(place, checkpoint_id)


def completing(group: Sequence[StoredCheckpoint]) -> RowsWork[list[WholeCheckpoint]]:
    return lambda rows: rows.complete(group)


def in_groups(rows: list[StoredCheckpoint]) -> Iterator[list[StoredCheckpoint]]:
    # Few at first: who asks for the history often wants no more than its beginning.
    start, size = 0, 1
    while start < len(rows):
        yield rows[start : start + size]
        start, size = start + size, min(2 * size, _GROUP)


def histories_of(
    config: RunnableConfig, channels: Sequence[str]
) -> RowsWork[dict[str, ChannelHistory]]:
    place, checkpoint_id, names = place_of(config), checkpoint_id_of(config), [*channels]

    async def work(rows: CheckpointRows) -> dict[str, ChannelHistory]:
        latest = checkpoint_id
        if latest is None:
            found = await rows.page(Wanted(*place), 1)
            if not found:
                return {name: ChannelHistory() for name in names}
            latest = found[0].checkpoint_id
        return dict(await channel_histories(rows, place, latest, names)) if names else {}

    return work


def deleting(thread_ids: Sequence[str]) -> RowsWork[None]:
    names = [thread_name(each) for each in thread_ids]

    async def work(rows: CheckpointRows) -> None:
        await rows.delete_threads(names)

    return work


def deleting_runs(run_ids: Sequence[str]) -> RowsWork[None]:
    async def work(rows: CheckpointRows) -> None:
        for place, ids in (await rows.of_runs(run_ids)).items():
            await rows.delete(place, ids)

    return work


def copying(source: str, target: str) -> RowsWork[None]:
    names = thread_name(source), thread_name(target)

    async def work(rows: CheckpointRows) -> None:
        await rows.copy(*names)

    return work


def pruning(codec: CheckpointCodec, thread_ids: Sequence[str], strategy: str) -> RowsWork[None]:
    """Delete all but the latest of each namespace and what it needs, or all.

    Raises InputError (`bad_operation`).
    """
    if strategy == "delete":
        return deleting(thread_ids)
    if strategy != "keep_latest":
        raise InputError(
            "bad_operation", f"prune knows 'keep_latest' and 'delete', not {strategy!r:.40}"
        )
    names = [thread_name(each) for each in thread_ids]

    async def work(rows: CheckpointRows) -> None:
        for name in names:
            for namespace, ids in (await rows.ids(name)).items():
                place = (name, namespace)
                latest = (await rows.parents(place, ids[0], 1))[0]
                counted = codec.metadata(latest).get("counters_since_delta_snapshot") or {}
                kept = await needed_ancestors(rows, place, ids[0], sorted(counted))
                await rows.delete(place, set(ids[1:]) - kept)

    return work


def sweeping(since: float) -> RowsWork[int]:
    """Delete the threads whose latest checkpoint is older; gives how many these are."""

    async def work(rows: CheckpointRows) -> int:
        idle = await rows.idle_threads(since)
        await rows.delete_threads(idle)
        return len(idle)

    return work
