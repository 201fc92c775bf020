"""A store on each database, with a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.store import Store
from treadle.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncIterator[Store]:
    """An empty store."""
    database = Database(DatabaseUrl.parse(database_url))
    yield Store(database, clock)
    await database.close()
