"""What fails in the background cancels nobody, and is told."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from treadle.core.errors import RunError
from treadle.memory import Memory
from treadle.memory.writing.background import AGAIN_SECONDS, Background, Chore
from treadle.testing import FakeClock


def rename(path: Path, old: str, new: str) -> None:
    """As if somebody had damaged the database, or mended it."""
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.execute(f"alter table {old} rename to {new}")
        connection.commit()


async def made(path: Path, clock: FakeClock) -> Memory:
    memory = Memory(f"sqlite:///{path}", clock=clock)
    await memory.remember("Kim lives in Oslo.", actor="Kim")
    return memory


async def until_it_fails(memory: Memory) -> None:
    async with asyncio.timeout(10):
        while memory.failure is None:
            await asyncio.sleep(0.01)


async def test_the_block_goes_on_and_its_end_says_what_failed(
    tmp_path: Path, clock: FakeClock
) -> None:
    memory = await made(tmp_path / "m.db", clock)
    await memory.store.database.close()
    rename(tmp_path / "m.db", "outbox", "elsewhere")
    found = []

    async def block() -> None:
        async with memory:
            await until_it_fails(memory)
            found.extend((await memory.recall("Where does Kim live?")).hits)

    with pytest.raises(RunError) as caught:
        await block()
    assert found
    assert caught.value.code == "database_failed"


async def test_an_error_of_the_block_comes_first(tmp_path: Path, clock: FakeClock) -> None:
    memory = await made(tmp_path / "m.db", clock)
    await memory.store.database.close()
    rename(tmp_path / "m.db", "outbox", "elsewhere")

    async def block() -> None:
        async with memory:
            await until_it_fails(memory)
            raise KeyError("mine")

    with pytest.raises(KeyError):
        await block()


async def test_what_has_recovered_is_no_failure(tmp_path: Path, clock: FakeClock) -> None:
    memory = await made(tmp_path / "m.db", clock)
    await memory.store.database.close()
    rename(tmp_path / "m.db", "outbox", "elsewhere")
    async with memory:
        await until_it_fails(memory)
        rename(tmp_path / "m.db", "elsewhere", "outbox")
        async with asyncio.timeout(10):
            while memory.failure is not None:
                clock.advance(AGAIN_SECONDS)
                await asyncio.sleep(0.01)
            while not await memory.facts.facts("Kim"):
                await asyncio.sleep(0.01)


async def test_a_bug_is_told_with_a_code(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    async def broken() -> None:
        nonlocal tries
        tries += 1
        raise ValueError("no such shelf")

    async def pause() -> None:
        await clock.sleep(1)

    background = Background(clock)
    await background.start(Chore("sorting", broken, pause))
    for count in range(1, 4):
        async with asyncio.timeout(10):
            while tries < count or not clock.sleepers:
                await asyncio.sleep(0)
        clock.advance(AGAIN_SECONDS)
    await background.aclose()
    assert isinstance(background.failure, RunError)
    assert background.failure.code == "memory_work_failed"
    assert "no such shelf" in background.failure.message
    assert len(caplog.records) == 1  # said once, however often it is tried


async def test_what_others_hold_up_is_waited_for(clock: FakeClock) -> None:
    async def locked() -> None:
        raise RunError("database_locked", "another process is writing")

    async def pause() -> None:
        await clock.sleep(1)

    background = Background(clock)
    await background.start(Chore("sorting", locked, pause))
    async with asyncio.timeout(10):
        while not clock.sleepers:
            await asyncio.sleep(0)
    await background.aclose()
    assert background.failure is None
