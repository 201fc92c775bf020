"""Erasing what a text stands in: functions for whoever erases a subject, within its transaction.

They delete rows. That nothing of these is left in free pages of a file is up to the caller, who
has the whole file in mind. What an EncryptedSerializer has written cannot be searched: name the
threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from treadle.memory.langgraph.checkpoint_rows import CheckpointRows
from treadle.memory.langgraph.tables import (
    CHECKPOINT_TABLES,
    checkpoint,
    checkpoint_value,
    checkpoint_write,
    store_item,
)

_AT_A_TIME = 64


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item of a store that has one of the texts in it."""

    item_id: int
    namespace: tuple[str, ...]
    key: str


async def threads_containing(
    connection: AsyncConnection, tenant: str, texts: Iterable[str]
) -> list[str]:
    """The threads that have one of these texts in an id, a state, a write or the metadata.

    Upper and lower case are the same. What was written as JSON is read as such.
    """
    needles = _needles(texts)
    found: set[str] = set()
    for query in _queries(tenant):
        async for row in _rows(connection, query):
            thread_id, *parts = row
            if thread_id not in found and _has(needles, (thread_id, *parts)):
                found.add(thread_id)
    return sorted(found)


async def items_containing(
    connection: AsyncConnection, tenant: str, texts: Iterable[str]
) -> list[FoundItem]:
    """The items that have one of these texts in their namespace, key or value."""
    needles = _needles(texts)
    table = store_item.c
    query = sa.select(table.item_id, table.namespace, table.key, table.value).where(
        table.tenant == tenant
    )
    return [
        FoundItem(item_id, tuple(namespace.split(".")), key)
        async for item_id, namespace, key, value in _rows(connection, query)
        if _has(needles, (namespace, key, value))
    ]


async def erase_threads(connection: AsyncConnection, tenant: str, thread_ids: Iterable[str]) -> int:
    """Delete all that is kept of threads; return how many checkpoints that were."""
    return await CheckpointRows(connection, tenant).delete_threads(thread_ids)


async def erase_items(connection: AsyncConnection, tenant: str, item_ids: Iterable[int]) -> int:
    """Delete items with their vectors; return how many there were."""
    ids = sorted(set(item_ids))
    count = 0
    for start in range(0, len(ids), _AT_A_TIME):
        gone = await connection.execute(
            sa.delete(store_item).where(
                store_item.c.tenant == tenant,
                store_item.c.item_id.in_(ids[start : start + _AT_A_TIME]),
            )
        )
        count += gone.rowcount
    return count


async def erase_tenant(connection: AsyncConnection, tenant: str) -> int:
    """Delete all threads and items of a tenant; return how many rows these were."""
    count = 0
    for table in (*CHECKPOINT_TABLES, store_item):
        gone = await connection.execute(sa.delete(table).where(table.c.tenant == tenant))
        count += gone.rowcount
    return count


def _queries(tenant: str) -> Iterable[sa.Select[*tuple[Any, ...]]]:
    one, two, three = checkpoint.c, checkpoint_value.c, checkpoint_write.c
    yield sa.select(one.thread_id, one.namespace, one.metadata, one.body, one.channels).where(
        one.tenant == tenant
    )
    yield sa.select(two.thread_id, two.namespace, two.channel, two.body).where(two.tenant == tenant)
    yield sa.select(
        three.thread_id, three.namespace, three.task_path, three.channel, three.body
    ).where(three.tenant == tenant)


async def _rows(
    connection: AsyncConnection, query: sa.Select[*tuple[Any, ...]]
) -> AsyncIterator[Any]:
    options = query.execution_options(yield_per=_AT_A_TIME)
    async with connection.stream(options) as result:
        async for row in result:
            yield row


def _needles(texts: Iterable[str]) -> list[str]:
    return [each.casefold() for each in texts if each]


def _has(needles: Sequence[str], parts: Iterable[str | bytes]) -> bool:
    for part in parts:
        text = part if isinstance(part, str) else bytes(part).decode("utf-8", "replace")
        forms = [text.casefold()]
        if "\\u" in text or '\\"' in text or "\\n" in text:
            forms.append(_unescaped(text).casefold())
        if any(needle in form for needle in needles for form in forms):
            return True
    return False


_ESCAPES = re.compile(r'(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]')


def _unescaped(text: str) -> str:
    """JSON as it reads, whether or not the whole is JSON: an escape becomes its character."""
    return _ESCAPES.sub(lambda escape: json.loads(f'"{escape[0]}"'), text)
