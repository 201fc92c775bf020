"""The calls under way, and the promise that none of them outlives its deadline for the run.

A task group would wait for a tool that swallows its cancellation; a run must not. So each call
is a task of its own, tracked here until it ends; one that ignores its cancellation for a grace
period is abandoned: the run goes on without it, and its result no longer counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from treadle.executor.node import Call

GRACE = 2.0
"""Seconds in which a call must end after its deadline or its cancellation."""

_PERIOD = 0.25


class RunningCalls:
    """Tracks calls and timers.

    crashed: told of an exception that is a bug of ours or of a callback, never a tool's failure.
    overdue: told of a call that is abandoned.
    """

    def __init__(
        self, crashed: Callable[[BaseException], None], overdue: Callable[[Call], None]
    ) -> None:
        self._crashed = crashed
        self._overdue = overdue
        self._tasks: dict[asyncio.Task[None], Call | None] = {}
        self._by_call: dict[int, asyncio.Task[None]] = {}
        self._abandoned: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._last_moment = float("inf")
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, call: Call, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Run `work`, which makes `call` and must not take longer than `seconds`."""
        call.deadline = asyncio.get_running_loop().time() + seconds + GRACE
        self._by_call[id(call)] = self._track(work, call)

    def start_timer(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` that is not a call (a pause before a retry, a question to a person)."""
        self._track(work, None)

    def forget(self, call: Call) -> bool:
        """`call` has ended; False when it had been abandoned before."""
        return self._by_call.pop(id(call), None) is not None

    def cancel(self) -> None:
        """Cancel everything; what has not ended after the grace period is abandoned."""
        deadline = asyncio.get_running_loop().time() + GRACE
        self._last_moment = min(self._last_moment, deadline)
        for task in self._tasks:
            task.cancel()

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    def _track(self, work: Coroutine[Any, Any, None], call: Call | None) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        self._tasks[task] = call
        self._idle.clear()
        task.add_done_callback(self._done)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_PERIOD, self._sweep)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._abandoned.discard(task)
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)
        self._rest_if_idle()

    def _rest_if_idle(self) -> None:
        if not self._tasks:
            self._idle.set()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_PERIOD, self._sweep)
        now = loop.time()
        for task, call in list(self._tasks.items()):
            deadline = self._last_moment if call is None else call.deadline
            if now <= min(deadline, self._last_moment):
                continue
            # Kept in a set: the loop itself holds tasks weakly.
            self._abandoned.add(task)
            del self._tasks[task]
            if call is not None:
                self._overdue(call)
                call.abandoned = True
        self._rest_if_idle()
