"""A run that goes on while its events are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

from treadle.agents.runs.pipeline import Pipeline
from treadle.core.errors import RunError, TreadleError
from treadle.core.events import Event
from treadle.core.json_value import JsonValue
from treadle.executor import RunResult
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan


class RunStream:
    """`async with runtime.stream(task) as run: async for event in run: ...`

    Events come in order, the first one first however late the loop begins; the loop ends with
    RunFinished. Leaving the block earlier cancels the run. `result` is there after the loop.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        running: set[RunStream],
        drive: Callable[[], Awaitable[RunResult]] | None = None,
        first_event: int = 0,
    ) -> None:
        self._pipeline = pipeline
        self._drive = drive or pipeline.run
        self._first_event = first_event
        self._running = running
        self.earlier = len(pipeline.log.events)
        """How many events the run had when this was made: of the processes before."""
        self._begun = False
        self._ended = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[RunResult] | None = None

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._pipeline.log.run_id

    @property
    def events(self) -> list[Event]:
        """The events so far."""
        return self._pipeline.log.events

    @property
    def result(self) -> RunResult:
        """The result. Raises RunError (`run_not_finished`) while the run goes on."""
        if self._task is None or not self._task.done():
            raise RunError("run_not_finished", "read the events to their end first")
        return self._task.result()

    @property
    def forgot(self) -> bool:
        """Whether something was erased from a memory while the run went on."""
        return self._pipeline.forgot

    @property
    def erasure_error(self) -> TreadleError | None:
        """Why what was erased stands in the record of the run still; None where it does not."""
        return self._pipeline.erasure_error

    def cancel(self) -> None:
        """Stop the run: everything it started ends within two seconds, results are kept."""
        self._pipeline.cancel()

    async def ended(self) -> None:
        """Return when the run has ended."""
        await self._ended.wait()

    async def to_end(self) -> RunResult:
        """Run to the end, for those who do not read the events; in place of `async with`."""
        async with self:
            await self.ended()
        return self.result

    async def __aenter__(self) -> RunStream:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._running.add(self)
        self._task = self._group.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._group is not None
        assert self._task is not None
        if not self._task.done():
            self.cancel()
        try:
            if self._begun:
                await self._group.__aexit__(kind, error, traceback)
            else:
                # A group that is told of an error cancels its task before the first step of it,
                # and the run would have no end; it is to stop, but in order.
                await self._group.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            # One task only: its own exception says more than a group around it.
            first = group.exceptions[0]
            if first is not error:
                raise first from first.__cause__

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for event in self._pipeline.log.follow(self._first_event):
            yield event
        if self._task is not None:
            # The last event is there a moment before the result is.
            await asyncio.wait([self._task])

    def approve(
        self,
        step_id: str,
        approved: bool = True,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
    ) -> None:
        """Decide on a call that waits for approval; `arguments` replace those of the call.

        Raises RunError (`nothing_waits`, `cannot_edit`), and ToolError (`invalid_arguments`).
        """
        self._pipeline.answer(step_id, approved, reason=reason, arguments=arguments)

    def pause(self) -> None:
        """Start nothing more; the run ends `paused` when what runs has ended. `resume` goes on."""
        self._pipeline.pause()

    def patch(self, patch: PlanPatch) -> Plan:
        """Add, replace or drop steps that have not started; see `PlanPatch`.

        Raises PlanError, and RunError (`not_executing`) before and after the steps run.
        """
        return self._pipeline.patch(patch)

    async def _run(self) -> RunResult:
        self._begun = True
        try:
            try:
                return await self._drive()
            finally:
                await self._pipeline.erase_again()
        finally:
            self._running.discard(self)
            self._ended.set()
