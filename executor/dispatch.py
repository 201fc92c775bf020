"""Which call starts when, and in which task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from treadle.core.errors import ToolError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.program import current_program
from treadle.core.taint import CallTaint, current_taint
from treadle.executor.attempts import Attempts, Made
from treadle.executor.calls import RunningCalls
from treadle.executor.graph import Graph
from treadle.executor.node import Call, Node, State
from treadle.executor.ready import ReadyQueue
from treadle.executor.turn import Turn


@dataclass(frozen=True, slots=True)
class Follow:
    """What follows, told by `Dispatch` to whoever runs the plan.

    prepare: the inputs of a step are there. settle: a call has ended, with what it gave; None where
    a person must say what became of it. cancelled: a call was cancelled.
    """

    prepare: Callable[[Node], None]
    settle: Callable[[Call, Made | TreadleError | None], None]
    cancelled: Callable[[Call], None]


class Dispatch:
    """Starts what is ready, the longest remaining path first, `width` calls at once."""

    def __init__(
        self,
        graph: Graph,
        log: EventLog,
        ready: ReadyQueue,
        calls: RunningCalls,
        attempts: Attempts,
        follow: Follow,
        *,
        width: int,
    ) -> None:
        self._graph = graph
        self._log = log
        self._ready = ready
        self._calls = calls
        self._attempts = attempts
        self._follow = follow
        self._free = width
        self._turn: Turn | None = None
        self._pumping = False

    def pump(self) -> None:
        """Start whatever can start. Not recursive: a chain of skipped steps may be long."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._prepare_all()
            while (call := self._take()) is not None:
                # At once, and not when its task begins: from now on a patch comes too late.
                call.node.state = State.RUNNING
                self._calls.start(call, self._work(call))
                self._prepare_all()
        finally:
            self._pumping = False

    def release(self, call: Call) -> None:
        """`call` has ended, or is given up: another may start in its place."""
        if self._calls.forget(call):
            self._free += 1
            self._ready.release(call)

    def _prepare_all(self) -> None:
        startable = self._graph.startable
        while startable:
            self._follow.prepare(startable.popleft())

    def _take(self) -> Call | None:
        """The call that starts next, if one may."""
        if not self._free or not self._ready or self._graph.paused:
            return None
        if self._graph.rank():
            self._ready.reorder()
        call = self._ready.pop()
        if call is not None:
            self._free -= 1
        return call

    async def _work(self, call: Call) -> None:
        """Make `call`, then others that are ready, in the same task.

        A task costs more than a call that waits for nothing. It makes calls as long as none has
        given way to the loop or changed the context, so that each might have been the first.
        """
        if self._turn is None or self._turn.over:
            self._turn = Turn()
        turn, first = self._turn, call
        following: Call | None = call
        while following is not None:
            call = following
            outside = current_program.set(self._attempts.program_of(call.node))
            taint = CallTaint(self._graph.taints.of_arguments(call.node), call.node.tool)
            before = current_taint.set(taint)
            outcome = await self._made(call)
            current_taint.reset(before)
            current_program.reset(outside)
            call.gathered = taint.gathered
            self._graph.taints.gather(call.node, taint)
            self._pumping = True  # the next call is for this task, before others are started
            try:
                self.release(call)
                self._follow.settle(call, outcome)
                fresh = turn.goes_on() and self._calls.is_untouched()
                following = self._take_here() if fresh else None
            finally:
                self._pumping = False
            self.pump()
        if call is not first:
            self._log.flush()  # before anybody else can see what these calls have done

    async def _made(self, call: Call) -> Made | TreadleError | None:
        try:
            return await self._attempts.make(call)
        except asyncio.CancelledError:
            if call.timed_out and not call.abandoned:
                return self._attempts.timed_out(call)
            if not await self._meant(call):
                name = call.node.tool.name
                reason = f"'{name}' was cancelled, and not by the run: did it cancel its own task?"
                return ToolError("tool_failed", reason, retryable=True)
            self.release(call)
            self._follow.cancelled(call)
            raise
        except TreadleError as error:
            return error

    async def _meant(self, call: Call) -> bool:
        """Whether the run has cancelled `call`."""
        if not (call.abandoned or self._graph.stopping):
            # The loop itself may be ending, and the run is about to hear of it.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        return call.abandoned or self._graph.stopping

    def _take_here(self) -> Call | None:
        """The call that starts next, for the task that has just ended one."""
        self._prepare_all()
        call = self._take()
        if call is None:
            return None
        if not self._graph.builds_on_kept(call.node):
            # A call must not be the end of the process and with it of what it was given.
            self._log.flush()
            if self._graph.stopping or not self._graph.builds_on_kept(call.node):
                self._free += 1
                self._ready.release(call)
                if not self._graph.stopping:
                    self._ready.push(call)
                return None
        self._calls.hand_over(call)
        return call
