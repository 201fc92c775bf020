"""One run from the task to the answer: plan, execute, join, replan."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from treadle.agents.output_type import adapter_for
from treadle.agents.runs.concluding import Conclusion
from treadle.agents.runs.ending import recorded_as, status_of, stop, usage_of
from treadle.agents.runs.erasing import erase_again
from treadle.agents.runs.lived import run_record
from treadle.agents.runs.patching import Patching
from treadle.agents.runs.planning import Planning
from treadle.agents.runs.recorded import Origin, Recorded
from treadle.agents.runs.run_taint import RunTaint
from treadle.agents.runs.scope import RunScope
from treadle.agents.runs.settled import Settled
from treadle.agents.runs.undoing import Undoing
from treadle.core.chat import Message
from treadle.core.errors import ErrorInfo, RunError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import (
    MemoryRecalled,
    PlanningStarted,
    RunFinished,
    RunResumed,
    RunStatus,
    StepDropped,
)
from treadle.core.json_value import JsonValue
from treadle.core.program import Program, current_program
from treadle.core.taint import CLEAN, Labels, current_taint
from treadle.executor import Execution, PendingCall, RunResult
from treadle.executor.approval import Reply
from treadle.executor.history import History
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan

Stage: TypeAlias = Literal["plan", "execute", "join", "replan", "ask", "finish"]


class Pipeline:
    """Runs one task, or one finished plan, and records everything in `log`.

    `run` goes through the stages by itself; a chat session's graph calls them one by one. Each
    returns the stage that comes next. A failure is recorded and leads to `finish`.
    """

    def __init__(
        self,
        settled: Settled,
        task: str | Plan,
        *,
        log: EventLog,
        program: Program,
        scope: RunScope,
        undoing: Undoing,
        execution: Execution,
        history: Sequence[Message] = (),
        output_type: Any = None,
        origin: Origin | None = None,
    ) -> None:
        self.log = log
        self._recorded = Recorded(log, origin or Origin())
        self._tainted = RunTaint(execution.graph.taints, current_taint.get(), settled.plan_labels)
        self._settled = settled
        self._task = task
        self._program = program
        self._scope = scope
        self._undoing = undoing
        self._execution = execution
        self._planning = Planning(settled, log, execution)
        self.patching = Patching(log, settled.tools, execution, self._announce)
        """What changes the plan while it runs."""
        scope.patch = self.patching.for_step(self.patch)
        self._history = tuple(history)
        self._output_adapter = None if output_type is None else adapter_for(output_type)
        self._conclusion = Conclusion(settled, log, execution, self._tainted, self._output_adapter)
        self._plan: Plan | None = None
        self._next_plan: Plan | None = None
        self._error: ErrorInfo | None = None
        self._stage: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._executing = False
        self._finished = False
        self.result = RunResult(log.run_id)
        """What `finish` has returned."""
        self.erasure_error: TreadleError | None = None
        """Why what was erased is in the record of the run still; None where it is not."""

    async def run(self) -> RunResult:
        """The whole run. A failed run is a result, not an exception."""
        try:
            stage = await self.plan()
            while stage not in ("finish", "ask"):
                stage = await getattr(self, stage)()
        finally:
            result = await self.finish()
        return result

    def end_as_recorded(self) -> None:
        """The log holds a run that has ended already: it is its own result.

        Raises InputError (`answer_mismatch`) where that is not of the type that is asked for.
        """
        self._finished = True
        self.result = RunResult.from_events(self.log.events)
        if self._output_adapter is not None and self.result.status == "succeeded":
            output = recorded_as(self.result.answer, self._output_adapter)
            self.result = replace(self.result, output=output)

    def cancel(self) -> None:
        """Stop the run soon; it ends with the status `cancelled`."""
        if self._cancelled:
            return
        self._cancelled = True
        self._execution.cancel()
        if self._stage is not None and not self._stage.done():
            self._stage.cancel()

    async def plan(self) -> Stage:
        """Make the plan; its steps start while it is being written."""
        self.log.loop = asyncio.get_running_loop()
        if self._finished:
            return "finish"
        return await self._guard(self._begin(), "execute")

    async def execute(self) -> Stage:
        """Wait until nothing more can run."""
        self._executing = True  # again, after a wait for a person
        try:
            return await self._guard(self._execution.settle(), "join")
        finally:
            self._executing = False

    async def join(self) -> Stage:
        """Decide what follows: `finish`, `replan`, or `ask` a person for approval."""
        graph = self._execution.graph
        if self._execution.is_paused():
            return "finish"
        patchable = bool(graph.unresolved()) and not graph.is_lost()
        if self._execution.waits() and not graph.stopping and not patchable:
            return "ask" if self._execution.held_calls() else "finish"
        stage = await self._guard(self._decide(), "finish")
        if self._conclusion.early:
            return "ask"
        return "replan" if self._next_plan is not None else stage

    async def replan(self) -> Stage:
        """Go on with the plan that the joiner has patched."""
        plan, self._next_plan = self._next_plan, None
        assert plan is not None
        self._plan = plan
        self.log.append(
            PlanningStarted(model=self._settled.model.name, replan=self._conclusion.replans)
        )
        self._tainted.replanned()
        self._announce(plan)
        self._execution.patch(plan)
        return "execute"

    def decide_approval(self, reply: Reply) -> None:
        """A person has decided on the calls that `ask` is about, or on some."""
        self._execution.decide(reply)

    def pending_calls(self) -> tuple[PendingCall, ...]:
        """The calls that `ask` is about."""
        return self._execution.open_calls()

    def answer(
        self,
        step_id: str,
        approved: bool,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
        about: str | None = None,
    ) -> None:
        """A person has decided on one call; see `RunStream.approve` and `Approvals.answer`."""
        self._execution.answer_call(
            step_id, approved, reason=reason, arguments=arguments, about=about
        )

    def pause(self) -> None:
        """Start nothing more; the run ends with the status `paused` when what runs has ended."""
        self._execution.pause()
        self._scope.pause()
        if self._plan is None and self._stage is not None:
            self.cancel()  # there is no plan yet that could be gone on with

    def patch(
        self,
        patch: PlanPatch,
        *,
        request: str | None = None,
        step_id: str | None = None,
        labels: Labels = CLEAN,
    ) -> Plan:
        """Change the plan while it runs; return its next version. See `Patching.apply`."""
        plan = self._plan if self._executing else None
        self._plan = self.patching.apply(
            plan, patch, request=request, step_id=step_id, labels=labels
        )
        return self._plan

    async def finish(self) -> RunResult:
        """Write the answer and end the run. Always call it last; doing it again changes nothing.

        Raises what a callback has raised, once the end is recorded.
        """
        if self._finished:
            return self.result
        self._finished = True
        self.patching.complete()
        try:
            if self._error is None and not self._cancelled and not self._execution.is_paused():
                await self._guard(self._conclusion.write(self._task, self._plan), "finish")
        finally:
            await self._record_end()
        if self._execution.crash is not None:
            raise self._execution.crash
        return self.result

    async def _record_end(self) -> None:
        status: RunStatus = "failed"
        if self._error is not None or self._cancelled:
            await stop(self._execution)
        state = self._execution.finish()
        if self._cancelled:
            status = "cancelled"
            self._error = ErrorInfo("cancelled", "the run was cancelled; what was done is kept")
        elif self._error is None:
            status = status_of(state, paused=self._execution.graph.paused)
            self._error = self._execution.graph.first_failure()
        keeps = self._recorded.error is None
        wanted = self._settled.undo_on_failure and self._plan is not None
        if status == "failed" and wanted and keeps:
            await self._undoing.log(self.log, self._settled.tools)
        if status != "succeeded":
            # What went wrong is told in words of those who are not trusted, too.
            self._tainted.told()
        ended = RunFinished(
            status=status,
            answer=self._conclusion.shown,
            error=self._error,
            usage=usage_of(self.log.events),
            taint=self._tainted.end(),
        )
        self.log.append(ended, durable=True)
        self.result = RunResult.from_events(self.log.events, self._conclusion.output, self._plan)
        self._scope.ends.tell(self._program)
        await self._recorded.end(ended)
        self._learn()
        if self._recorded.error is not None and self._error is None:
            # The last moment could not be kept: whoever waits for the result is to know.
            raise self._recorded.error

    def _learn(self) -> None:
        """Let memory learn from the run; nobody waits for it."""
        memory = self._settled.memory
        if memory is None or self._scope.dry_run or self.forgot:
            # Where something was erased, it stands in the task, the plan and the answer.
            return
        record = run_record(self.log.events, self._plan)
        if record is not None:
            memory.learn(record)

    @property
    def forgot(self) -> bool:
        """Whether something was erased from a memory while the run went on."""
        return bool(self.log.erasures)

    async def erase_again(self) -> None:
        """What was erased goes from what the run has written since, if it has written its last.

        Where that fails it is in `erasure_error`, and logged: the run has ended all the same.
        """
        if self.forgot and self._finished:
            self.erasure_error = await erase_again(
                self.log, self._recorded.origin, self._settled.artifacts
            )

    def set_history(self, history: Sequence[Message]) -> None:
        """The conversation before the task; only before `plan`."""
        self._history = tuple(history)

    async def _guard(self, work: Coroutine[Any, Any, None], then: Stage) -> Stage:
        """Do the work of a stage within the program; a failure of it ends the run in order."""
        self._stage = asyncio.current_task()
        token = current_program.set(self._program)
        try:
            if self._cancelled:
                work.close()
                return "finish"
            await work
        except TreadleError as failure:
            self._error = ErrorInfo.of(failure)
            return "finish"
        except asyncio.CancelledError:
            if not self._cancelled and self._recorded.error is None:
                self.cancel()
                await stop(self._execution)
                raise
            assert self._stage is not None
            self._stage.uncancel()
            return "finish"
        except Exception as failure:
            # A bug, or what a callback raised. It reaches the caller, after an end in order.
            self._error = ErrorInfo("internal_error", f"{type(failure).__name__}: {failure}")
            raise
        finally:
            self._stage = None
            current_program.reset(token)
        return then

    async def _begin(self) -> None:
        await self._recorded.begin(self._task, self._not_kept)
        history = self._recorded.origin.history
        if history is not None:
            await self._go_on(history)
            return
        fork = self._recorded.origin.fork
        self._tainted.begin(self._task, self._history, None if fork is None else fork.history)
        self.log.append(self._recorded.started(self._task, self._history, self._tainted.run))
        if fork is not None:
            fork.record(self.log, self._settled.tools, self._settled.model.name)
            await self._continue(History(self.log.events), fork.plan)
            return
        await self._recorded.listen(self)
        await self._make_plan(self._task)

    async def _go_on(self, history: History) -> None:
        """Continue a run where an earlier process has left it."""
        self.log.append(RunResumed(reopened=self._recorded.origin.reopened))
        self._tainted.go_on(history)
        self._recorded.count_earlier(self._program.budget, history)
        if history.plan is None:
            # The planner was cut off. What it had begun had no effects yet: it starts anew.
            for step_id in history.steps:
                self.log.append(StepDropped(step_id=step_id))
            await self._recorded.listen(self)
            await self._make_plan(self._task, history.recalled)
            return
        await self._continue(history, history.plan)

    async def _continue(self, history: History, plan: Plan) -> None:
        self._plan, self._conclusion.replans = plan, history.replans
        self._tainted.written(history)
        self._execution.restore(history)
        self._execution.hold()
        self._seal(plan)
        await self._recorded.take_patches(self)
        self._execution.go_on()
        # Only now: an answer from another process is about a plan that is there.
        await self._recorded.listen(self)

    def _not_kept(self, error: RunError) -> None:
        """The journal takes nothing more: nothing more may happen."""
        self._error = ErrorInfo.of(error)
        self._execution.stop()
        if self._stage is not None and not self._executing:
            self._stage.cancel()

    async def _make_plan(self, task: str | Plan, earlier: MemoryRecalled | None = None) -> None:
        remembered = await self._planning.recall(task, self._history, earlier)
        self._tainted.recalled(remembered.labels)
        self._plan = await self._planning.make(task, self._history, remembered)
        self._announce(self._plan)
        self._seal(self._plan)

    def _seal(self, plan: Plan) -> None:
        self._execution.seal(plan)
        self._executing = True
        self.patching.complete()

    async def _decide(self) -> None:
        assert self._plan is not None
        self._next_plan = await self._conclusion.decide(self._task, self._plan, self._history)

    def _announce(self, plan: Plan) -> None:
        labels = self._execution.graph.taints.author
        self._planning.announce(plan, journaled=self._recorded.journaled, author=labels)
