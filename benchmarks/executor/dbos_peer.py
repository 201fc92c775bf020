"""DBOS on SQLite: a workflow whose steps are journaled by the order of their calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.executor.shapes import Dag
from benchmarks.executor.side import NotAvailable, Run, step
from dbos import DBOS, DBOSConfig


@asynccontextmanager
async def ready(variant: str, dag: Dag, folder: Path, width: int | None) -> AsyncIterator[Run]:
    """sqlite: each level of the DAG is one gather, as its documentation has it."""
    if variant != "sqlite":
        raise NotAvailable(f"DBOS has no variant '{variant}'")
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{folder / 'dbos.db'}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)

    @DBOS.step()
    async def work(seconds: float) -> None:
        await step(seconds)

    @DBOS.workflow()
    async def flow() -> int:
        for level in dag.levels:
            await asyncio.gather(*(work(dag.seconds[number]) for number in level))
        return len(dag)

    DBOS.launch()
    try:
        yield flow
    finally:
        DBOS.destroy(destroy_registry=True)
