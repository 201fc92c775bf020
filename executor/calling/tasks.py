"""Tasks that calls are made in, none of which is ever lost from sight."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

GRACE = 1.0
"""Seconds in which a cancelled task must end before it is left behind.

A task group would wait for a tool that swallows its cancellation for ever.
"""


class CallTasks:
    """Starts tasks, holds on to them until they end, and stops them in bounded time."""

    def __init__(self) -> None:
        # The loop itself holds tasks weakly.
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run `work` in a task; whoever starts it stops it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Cancel `tasks` and wait until they have ended, GRACE seconds at most."""
        under_way = [task for task in tasks if not task.done()]
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=GRACE)

    async def stop_all(self) -> None:
        """Stop what is under way in the running loop, and forget what other loops left."""
        loop = asyncio.get_running_loop()
        mine = [task for task in self._tasks if task.get_loop() is loop]
        self._tasks = {task for task in self._tasks if not task.get_loop().is_closed()}
        await self.stop(mine)

    def __len__(self) -> int:
        return len(self._tasks)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever still waits gets it; with nobody left there is nobody to tell.
            task.exception()
