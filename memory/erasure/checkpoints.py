"""Erasing conversations and items that LangGraph applications keep beside memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.erasure.comparing import in_thread_if_long
from treadle.memory.erasure.sought import Sought, stored_strings
from treadle.memory.langgraph.erasing import erase_items, erase_threads
from treadle.memory.langgraph.tables import (
    checkpoint,
    checkpoint_value,
    checkpoint_write,
    store_item,
)
from treadle.memory.namespace import DEFAULT_TENANT

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_AT_ONCE = 64

# Before a string msgpack writes its length, which may look like a letter that belongs to it.
_LENGTHS = re.compile(rb"\xd9.|\xda..|\xdb....", re.DOTALL)


class CheckpointErasure:
    """Erases threads and items of a tenant in which something sought stands, each as a whole.

    It is one of the places that an `Eraser` looks through. What an EncryptedSerializer has written
    cannot be searched.
    """

    def __init__(self, database: Database, tenant: str = DEFAULT_TENANT) -> None:
        self._database = database
        self._tenant = tenant

    @property
    def url(self) -> DatabaseUrl:
        """The database of the checkpoints."""
        return self._database.url

    async def purge(self, sought: Sought) -> Mapping[str, int]:
        """Delete the threads and the items in which something stands; how many."""
        async with self._database.writing() as connection:
            if not await connection.run_sync(_has_tables):
                return {}
            if self._database.url.is_sqlite:
                await connection.execute(sa.text("PRAGMA secure_delete = ON"))
            threads = await self._threads(connection, sought)
            items = await self._items(connection, sought)
            if threads:
                await erase_threads(connection, self._tenant, sorted(threads))
            if items:
                await erase_items(connection, self._tenant, items)
        done = {"thread": len(threads), "store item": len(items)}
        return {kind: count for kind, count in done.items() if count}

    async def _threads(self, connection: AsyncConnection, sought: Sought) -> set[str]:
        found: set[str] = set()
        for table, names in (
            (checkpoint, ("namespace", "metadata", "body", "channels")),
            (checkpoint_value, ("namespace", "channel", "body")),
            (checkpoint_write, ("namespace", "task_path", "channel", "body")),
        ):
            columns = [table.c.thread_id, *(table.c[name] for name in names)]
            query = sa.select(*columns).where(table.c.tenant == self._tenant)
            rows = await connection.stream(query.execution_options(yield_per=_AT_ONCE))
            async for row in rows:
                thread: str = row.thread_id
                if thread not in found and await _found(sought, row):
                    found.add(thread)
        return found

    async def _items(self, connection: AsyncConnection, sought: Sought) -> list[int]:
        item = store_item.c
        query = sa.select(item.item_id, item.namespace, item.key, item.value).where(
            item.tenant == self._tenant
        )
        rows = await connection.stream(query.execution_options(yield_per=_AT_ONCE))
        return [row.item_id async for row in rows if await _found(sought, row[1:])]


def _has_tables(connection: sa.Connection) -> bool:
    return connection.dialect.has_table(connection, checkpoint.name)


async def _found(sought: Sought, parts: Sequence[Any]) -> bool:
    lengths = (each if isinstance(each, str) else bytes(each or b"") for each in parts)
    return await in_thread_if_long(lengths, lambda: sought.found_in_any(_strings(parts)))


def _strings(parts: Iterable[Any]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, str):
            yield from stored_strings(part)
        elif part is not None:
            data = bytes(part)
            yield from stored_strings(data.decode("utf-8", "replace"))
            if _LENGTHS.search(data):
                yield _LENGTHS.sub(b" ", data).decode("utf-8", "replace")
