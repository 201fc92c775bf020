"""The calls under way, and the promise that none of them outlives its deadline for the run.

A task group would wait for a tool that swallows its cancellation; a run must not. So each call
is a task of its own, tracked here until it ends; one that ignores its cancellation for a grace
period is abandoned: the run goes on without it, and its result no longer counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from treadle.executor.node import Call, Node

GRACE = 2.0
"""Seconds in which a call must end after its deadline or its cancellation."""

_PERIOD = 0.25
"""Seconds between two looks at the deadlines; earlier where one is nearer."""


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
        self._cancelled: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._next_sweep = float("inf")
        self._last_moment = float("inf")
        self._context: Context | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, call: Call, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which makes `call`; it has no deadline before `limit` gives it one."""
        self._by_call[id(call)] = self._track(work, call)

    def hand_over(self, call: Call) -> None:
        """The current task has ended its call and makes `call` now."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = call
        self._by_call[id(call)] = task

    def limit(self, call: Call, deadline: float) -> None:
        """Cancel `call` at `deadline`, in loop time; it is `timed_out` then."""
        call.deadline = deadline
        if deadline < self._next_sweep:
            self._sweep_at(deadline)

    def start_timer(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` that is not a call (a pause before a retry, a question to a person)."""
        self._track(work, None)

    def forget(self, call: Call) -> bool:
        """`call` has ended; False when it had been abandoned before."""
        return self._by_call.pop(id(call), None) is not None

    def drop(self, node: Node) -> list[Call]:
        """Cancel the calls of `node`, whose results do not count any more; return them."""
        dropped: list[Call] = []
        now = asyncio.get_running_loop().time()
        for task, call in self._tasks.items():
            if call is not None and call.node is node:
                call.abandoned = call.timed_out = True
                call.deadline = now  # and it gets no more than the grace period
                task.cancel()
                dropped.append(call)
        return dropped

    def cancel(self) -> None:
        """Cancel everything; what has not ended after the grace period is abandoned."""
        deadline = asyncio.get_running_loop().time() + GRACE
        self._last_moment = min(self._last_moment, deadline)
        for task, call in self._tasks.items():
            # Once: a second time would cut off what it does to end in order.
            if task not in self._cancelled and not (call is not None and call.timed_out):
                self._cancelled.add(task)
                task.cancel()

    def is_untouched(self) -> bool:
        """Whether the current task is as it was when it began: its context, not cancelled."""
        task, begun, now = asyncio.current_task(), self._context, copy_context()
        if task is None or task.cancelling() or begun is None or len(now) != len(begun):
            return False
        # Not `==`: what is equal may be another object, and arrays cannot be compared so.
        return all(begun.get(variable, self) is value for variable, value in now.items())

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    def _track(self, work: Coroutine[Any, Any, None], call: Call | None) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        if self._context is None:
            self._context = copy_context()
        # A call sees the context of the run, never what another call has left in its own. Not
        # `create_task`: a factory of eager tasks would begin the call before it is tracked.
        task = asyncio.Task(work, loop=loop, context=self._context.copy())
        self._tasks[task] = call
        self._idle.clear()
        task.add_done_callback(self._done)
        if self._sweeper is None:
            self._sweep_at(loop.time() + _PERIOD)
        return task

    def _sweep_at(self, moment: float) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._next_sweep = moment
        self._sweeper = asyncio.get_running_loop().call_at(moment, self._sweep)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._abandoned.discard(task)
        self._cancelled.discard(task)
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)
        self._rest_if_idle()

    def _rest_if_idle(self) -> None:
        if not self._tasks:
            self._idle.set()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper, self._next_sweep = None, float("inf")

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        # The loop may call a moment early: its clock is no finer than that.
        near, soon = now + 0.001, now + _PERIOD
        cancelled = self._last_moment < float("inf")
        for task, call in list(self._tasks.items()):
            if task.done():
                continue  # in this very turn of the loop; what it gave has been dealt with
            last_moment = self._last_moment
            if call is not None:
                last_moment = min(last_moment, call.deadline + GRACE)
                if call.deadline <= near and not call.timed_out and not cancelled:
                    call.timed_out = True
                    task.cancel()
                elif not (call.timed_out or cancelled):
                    soon = min(soon, call.deadline)
            if near < last_moment:
                continue
            # Kept in a set: the loop itself holds tasks weakly.
            self._abandoned.add(task)
            del self._tasks[task]
            if call is not None:
                self._overdue(call)
                call.abandoned = True
        self._sweep_at(soon)
        self._rest_if_idle()
