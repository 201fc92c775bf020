"""The floor: what a careful engineer writes by hand for one DAG, with nothing but asyncio."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.executor.shapes import Dag
from benchmarks.executor.side import NotAvailable, Run, step


@asynccontextmanager
async def ready(variant: str, dag: Dag, folder: Path, width: int | None) -> AsyncIterator[Run]:
    """memory: nothing is kept. sqlite: a row per step in WAL mode, committed on the loop.

    fsync: the same, on disk before the next step starts.
    """
    if variant == "memory":
        yield lambda: _run(dag, width)
        return
    if variant not in ("sqlite", "fsync"):
        raise NotAvailable(f"the floor has no variant '{variant}'")
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={'FULL' if variant == 'fsync' else 'NORMAL'}")
        database.execute("CREATE TABLE done (step INTEGER PRIMARY KEY, output TEXT)")
        yield lambda: _run(dag, width, database)
    finally:
        database.close()


async def _run(dag: Dag, width: int | None, database: sqlite3.Connection | None = None) -> None:
    tasks: list[asyncio.Task[None]] = []
    limit = asyncio.Semaphore(width) if width is not None else None

    async def work(number: int, seconds: float) -> None:
        needs = dag.needs[number]
        if len(needs) == 1:
            await tasks[needs[0]]  # a gather around one task costs as much again as the task
        elif needs:
            await asyncio.gather(*(tasks[need] for need in needs))
        if limit is None:
            await step(seconds)
        else:
            async with limit:
                await step(seconds)
        if database is not None:
            database.execute("INSERT INTO done VALUES (?, ?)", (number, "null"))

    async with asyncio.TaskGroup() as group:
        for number, seconds in enumerate(dag.seconds):
            tasks.append(group.create_task(work(number, seconds)))
