"""Stores with anything in them, and what a carried one must be equal to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.carrying import export
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.testing import FakeClock


@asynccontextmanager
async def opened(url: str, clock: FakeClock | None = None) -> AsyncIterator[Store]:
    database = Database(DatabaseUrl.parse(url))
    try:
        yield Store(database, clock or FakeClock())
    finally:
        await database.close()


def made_empty(folder: Path) -> Path:
    """A database with its tables and nothing in them: to copy it is quicker than to make it."""

    async def make() -> None:
        async with opened(sqlite_url(folder, "empty")) as store:
            await store.database.open()

    asyncio.run(make())
    return folder / "empty.db"


def sqlite_url(folder: Path, name: str) -> str:
    return f"sqlite:///{folder}/{name}.db"


async def exported(
    store: Store, namespace: Namespace | None = None, *, embeddings: bool = True
) -> list[bytes]:
    lines = export(store, namespace or Namespace(), embeddings=embeddings)
    return [line async for line in lines]


async def each(lines: Iterable[bytes]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line
