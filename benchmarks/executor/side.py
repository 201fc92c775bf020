"""What every side of the comparison offers, and the step that they all run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeAlias

from benchmarks.executor.shapes import Dag

Run: TypeAlias = Callable[[], Awaitable[object]]
"""Runs the prepared DAG once, from the first step to the last; this is what is measured."""


class NotAvailable(Exception):
    """The side cannot do what is asked in this environment; the message says why."""


class Side(Protocol):
    """One engine.

    ready: prepares `dag` (building, compiling and checking is not measured) in one `variant`, such
    as "memory" or "sqlite", with `folder` for its files. width: steps at once, None for no limit.
    """

    def ready(
        self, variant: str, dag: Dag, folder: Path, width: int | None
    ) -> AbstractAsyncContextManager[Run]: ...


class Count:
    """How many steps have run: the proof that a side did all of the work."""

    def __init__(self) -> None:
        self.done = 0


COUNT = Count()


async def step(seconds: float = 0.0) -> None:
    """The step: nothing but one turn of the loop (what never suspends is not async), or a sleep."""
    await asyncio.sleep(seconds)
    COUNT.done += 1
