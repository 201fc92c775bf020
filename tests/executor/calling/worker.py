"""A tool whose calls a test watches and ends one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from treadle.core.errors import ToolError
from treadle.tools import Tool, tool


@dataclass
class Made:
    """One call of the worker's function."""

    key: str
    end: asyncio.Future[Any]
    cancelled: bool = False


@dataclass
class Worker:
    """Makes tools of which each call waits until the test ends it."""

    calls: list[Made] = field(default_factory=list)

    def tool(self, **declared: Any) -> Tool:
        async def work(key: str = "a") -> Any:
            made = Made(key, asyncio.get_running_loop().create_future())
            self.calls.append(made)
            try:
                return await made.end
            except asyncio.CancelledError:
                made.cancelled = True
                raise

        return tool(**declared)(work)

    async def until(self, number: int) -> None:
        """Return when `number` calls were made."""
        await until(lambda: len(self.calls) >= number)


def failure(code: str = "down", *, retryable: bool = True) -> ToolError:
    return ToolError(code, "it failed", retryable=retryable)


async def until(holds: Callable[[], bool]) -> None:
    """Let everything else run until `holds`; the test's own deadline ends a wait in vain."""
    while not holds():
        await asyncio.sleep(0)


async def settle() -> None:
    """Let everything run that can run without time passing or a call ending."""
    for _ in range(20):
        await asyncio.sleep(0)
