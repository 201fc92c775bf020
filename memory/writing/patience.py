"""Waiting for one's turn to write, where many processes do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from treadle.core.errors import RunError
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store

LONGEST_WAIT = 120.0
"""Seconds until a write is given up, with `database_locked`."""


@asynccontextmanager
async def patiently(store: Store, namespace: Namespace) -> AsyncIterator[Partition]:
    """Like `Store.writing`, for longer.

    SQLite wakes those who wait in no order: with eight writers on a busy machine one of them can be
    passed over for longer than the database itself waits. Nothing has been done by then.
    """
    deadline = store.clock.monotonic() + LONGEST_WAIT
    async with AsyncExitStack() as stack:
        while True:
            try:
                partition = await stack.enter_async_context(store.writing(namespace))
                break
            except RunError as error:
                if error.code != "database_locked" or store.clock.monotonic() >= deadline:
                    raise
        yield partition
