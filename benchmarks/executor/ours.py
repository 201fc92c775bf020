"""Treadle, the way a program uses it: a Runtime runs a Plan."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.executor.shapes import Dag
from benchmarks.executor.side import NotAvailable, Run, step

from treadle import Plan, Runtime, tool
from treadle.executor import approve_all
from treadle.testing import ScriptedModel


@tool(effect="pure", timeout=600)
async def nothing() -> None:
    """Do nothing."""
    await step()


@tool(effect="write", timeout=600)
async def effect() -> None:
    """Do nothing, and count as a change of the world."""
    await step()


@tool(effect="pure", timeout=600)
async def pause(seconds: float) -> None:
    """Sleep."""
    await step(seconds)


def plan_of(dag: Dag, *, effects: bool = False) -> Plan:
    """The DAG as a Plan; a step waits for others by `after`."""
    idle = "effect" if effects else "nothing"
    return Plan.from_wire(
        {
            "steps": [
                {
                    "id": f"s{number}",
                    "tool": "pause" if seconds else idle,
                    "args": {"seconds": seconds} if seconds else {},
                    "after": [f"s{need}" for need in needs],
                }
                for number, (needs, seconds) in enumerate(zip(dag.needs, dag.seconds, strict=True))
            ],
            "answer": "done",
        }
    )


def runtime(max_parallel: int, database: Path | None = None) -> Runtime:
    """A Runtime without built-in tools and without a model that could answer.

    Raises NotAvailable where it is to keep a journal and this version keeps none.
    """
    options: dict[str, Any] = {}
    if database is not None:
        if "database" not in inspect.signature(Runtime).parameters:
            raise NotAvailable("this Runtime takes no database yet")
        options["database"] = f"sqlite:///{database}"
    return Runtime(
        model=ScriptedModel([]),
        tools=[nothing, effect, pause],
        builtins=False,
        max_parallel=max_parallel,
        approve=approve_all,
        **options,
    )


@asynccontextmanager
async def ready(variant: str, dag: Dag, folder: Path, width: int | None) -> AsyncIterator[Run]:
    """memory: no journal. sqlite: journaled. effects: journaled, each step's intent durable."""
    if variant not in ("memory", "sqlite", "effects"):
        raise NotAvailable(f"Treadle has no variant '{variant}'")
    plan = plan_of(dag, effects=variant == "effects")
    database = None if variant == "memory" else folder / "treadle.db"
    async with runtime(width or len(dag), database) as ours:
        if database is not None:
            # The schema is made once per database, not per run.
            await ours.run(plan_of(Dag(((),), (0.0,))))

        async def run() -> None:
            result = await ours.run(plan)
            if result.status != "succeeded":
                raise AssertionError(f"{result.status}: {result.error}")

        yield run
