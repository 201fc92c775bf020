"""Identical calls under way at the same time share one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from treadle.core.clock import Clock
from treadle.core.errors import ToolError
from treadle.executor.calling.tasks import CallTasks

ResultT = TypeVar("ResultT")


@dataclass(slots=True, eq=False)
class _Flight(Generic[ResultT]):
    task: asyncio.Task[ResultT]
    until: float
    waiters: int = 0


class SingleFlight(Generic[ResultT]):
    """Makes one call for all who ask for it while it is under way.

    The call belongs to no waiter: it is a task of its own, cancelled when the last waiter is.
    Everybody gets the same object, so results should be immutable.
    """

    def __init__(self, clock: Clock, tasks: CallTasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._flights: dict[Hashable, _Flight[ResultT]] = {}

    async def share(
        self, key: Hashable, call: Callable[[], Coroutine[Any, Any, ResultT]], seconds: float
    ) -> ResultT:
        """What the call under way for `key` gives or raises; `call()` starts it where none is.

        seconds: how long a call should take. Nobody joins an older one: it is stuck.

        Raises ToolError (`tool_failed`) when the call was cancelled, and not by its waiters.
        """
        flight = self._joinable(key)
        if flight is None:
            flight = _Flight(self._tasks.start(call()), self._clock.monotonic() + seconds)
            self._flights[key] = flight
            flight.task.add_done_callback(lambda _: self._forget(key, flight))
        flight.waiters += 1
        try:
            # Unlike awaiting the task, this does not cancel it along with its waiter.
            await asyncio.wait((flight.task,))
        finally:
            flight.waiters -= 1
            if flight.waiters == 0:
                # Before anything else runs: nobody may join a call that is being cancelled.
                self._forget(key, flight)
                await self._tasks.stop((flight.task,))
        if flight.task.cancelled():
            raise ToolError(
                "tool_failed", "the call that several waited for was cancelled", retryable=True
            )
        return flight.task.result()

    def __len__(self) -> int:
        return len(self._flights)

    def _joinable(self, key: Hashable) -> _Flight[ResultT] | None:
        flight = self._flights.get(key)
        if (
            flight is None
            or flight.task.done()
            or flight.task.get_loop() is not asyncio.get_running_loop()
            or self._clock.monotonic() >= flight.until
        ):
            return None
        return flight

    def _forget(self, key: Hashable, flight: _Flight[ResultT]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
