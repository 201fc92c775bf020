"""Every test of this folder leaves no task behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.executor.calling.worker import Worker, settle

from treadle.executor.calling import ToolCaller
from treadle.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def caller(clock: FakeClock) -> ToolCaller:
    return ToolCaller(clock)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture(autouse=True)
async def no_tasks_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await settle()
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()
