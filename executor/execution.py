"""The scheduler: runs the steps of a plan as soon as their inputs are there.

No layers and no barriers: a step that ends releases those that waited for it only, and the one
with the longest remaining path starts first. Steps can be added while others run, which is how a
plan runs while it is still being written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

from treadle.core.clock import SystemClock
from treadle.core.durations import DurationSource
from treadle.core.errors import BudgetExceeded, ErrorInfo, RunError, ToolError, TreadleError
from treadle.core.events import (
    Payload,
    StepProgress,
    StepRetrying,
    StepStarted,
)
from treadle.core.json_value import JsonValue
from treadle.core.program import Program, current_program
from treadle.executor.approval import Approve, PendingCall
from treadle.executor.approvals import Approvals
from treadle.executor.calling import ToolCaller
from treadle.executor.calls import RunningCalls
from treadle.executor.doubts import Doubts, Verdict
from treadle.executor.graph import Graph, cancelled, error_value, is_over_budget
from treadle.executor.history import History, Past
from treadle.executor.inputs import Inputs
from treadle.executor.node import FINAL, Call, FanOut, Node, State
from treadle.executor.outlook import outlook_of
from treadle.executor.ready import ReadyQueue
from treadle.executor.step_key import StepKey, input_hash
from treadle.executor.stored import keep, load, restored, shown
from treadle.planner.plan import Plan
from treadle.planner.reference import Parsed
from treadle.planner.step import OnFailure, Step
from treadle.tools import ToolRegistry
from treadle.tools.artifacts import ArtifactStore, Kept
from treadle.tools.tool import DEFAULT_TIMEOUT


class Execution:
    """Executes one plan within a run.

    `add` steps as they are known, `seal` the plan when it is complete, then `settle` and `finish`.
    Steps with effects wait for the seal and for approval. Everything happens in the event loop's
    thread; the events in `program.log` are the record.

    max_parallel: calls that run at once.
    approve: who decides on effects; None when there is nobody to ask.
    verdicts: what a person said of steps that are in doubt, by id.
    caller: makes the calls, under the limits that runs share; one of its own by default.
    """

    def __init__(
        self,
        tools: ToolRegistry,
        program: Program,
        *,
        durations: DurationSource,
        artifacts: ArtifactStore,
        approve: Approve | None = None,
        max_parallel: int = 8,
        verdicts: Mapping[str, Verdict] | None = None,
        caller: ToolCaller | None = None,
    ) -> None:
        self.graph = Graph(tools, program.log, durations)
        """The steps with their states."""
        self.cancelled = False
        """Whether the caller asked to cancel."""
        self.crash: BaseException | None = None
        """What a callback (`approve`) raised; None if nothing did."""
        self._program = program
        self._log = program.log
        self._durations = durations
        self._artifacts = artifacts
        self._max_parallel = max_parallel
        self._free = max_parallel
        self._inputs = Inputs(self.graph.nodes, artifacts)
        self._ready = ReadyQueue()
        self._calls = RunningCalls(self._on_crash, self._on_overdue)
        self._approvals = Approvals(self.graph, self._log, approve, self._calls, self._pump)
        self._caller = caller or ToolCaller(SystemClock())
        self._doubts = Doubts(program.log, verdicts)
        self._pumping = False
        self._plan: Plan | None = None

    # ---- the plan ----------------------------------------------------------------------------

    def add(self, step: Step) -> None:
        """Add a step; what it needs must have been added before. It may start at once."""
        self.graph.add(step)
        self._pump()

    def add_all(self, steps: Iterable[Step]) -> None:
        """Add steps that are all known; they start when the plan is sealed."""
        for step in steps:
            self.graph.add(step)

    def seal(self, plan: Plan) -> None:
        """The plan is complete and checked: steps with effects may start once approved."""
        self._plan = plan
        self.graph.rank(everything=True)
        self._ready.reorder()
        self._approvals.request(plan)
        self.graph.startable.extend(self._approvals.held())
        self._pump()

    def patch(self, plan: Plan) -> None:
        """Go on with `plan`, a patched version: what has started stays, the rest is laid anew."""
        self._ready.keep(lambda call: call.node.state is State.RUNNING)
        self.graph.patch(plan)
        self._approvals.forget()
        self.seal(plan)

    def restore(self, history: History) -> None:
        """Go on with the plan of a run where an earlier process has left it; then `seal` it.

        Raises ToolError (`artifact_failed`) where a large output is not there any more.
        """
        assert history.plan is not None
        for step in history.plan.steps:
            past = history.steps[step.id]
            self.graph.restore(step, past, restored(self._artifacts, past.output))
        self._approvals.restore(history.decisions)

    # ---- what may start ----------------------------------------------------------------------

    def _pump(self) -> None:
        """Start whatever can start. Not recursive: a chain of skipped steps may be long."""
        if self._pumping:
            return
        self._pumping = True
        try:
            startable = self.graph.startable
            while startable or (self._free and self._ready and not self.graph.paused):
                if startable:
                    self._prepare(startable.popleft())
                elif not self._start_next():
                    break
        finally:
            self._pumping = False

    def _prepare(self, node: Node) -> None:
        """The inputs of `node` are there: decide its condition, its approval and its items."""
        if self.graph.stopping or node.state not in (State.PENDING, State.HELD):
            return
        step = node.step
        try:
            if not self._inputs.condition_holds(node):
                node.by_condition = True
                reason = ErrorInfo("condition_not_met", "its condition does not hold", step.id)
                self._end(node, State.SKIPPED, error=reason)
                return
            # No effect before the whole plan is there and checked: it may yet be mended.
            early = self._plan is None and not node.tool.effect.repeatable
            if early or self._approvals.holds(node):
                node.state = State.HELD
                return
            if self._in_doubt(node):
                return
            if step.for_each is not None:
                self._fan_out(node, self._inputs.items(node))
                return
        except TreadleError as error:
            self._end(node, State.FAILED, error=ErrorInfo.of(error, step.id))
            return
        node.state = State.READY
        self._ready.push(self._next_call(node, None))

    def _next_call(self, node: Node, index: int | None) -> Call:
        number = 1 if node.past is None else node.past.attempts + 1
        return Call(node, index, number, number)

    def _in_doubt(self, node: Node) -> bool:
        """Whether `node` goes no further: a person must say what became of it, or has."""
        node.in_doubt = self._doubts.needs_person(node)
        if node.in_doubt:
            node.state = State.HELD
            return True
        if self._doubts.take_verdict(node):
            self._end(node, State.SUCCEEDED, output=None)
            return True
        return False

    def _fan_out(self, node: Node, items: list[JsonValue]) -> None:
        node.state = State.RUNNING
        fan_out = node.fan_out = FanOut.of(items)
        if node.past is not None and node.past.items:
            self._restore_items(node, node.past, fan_out)
        self._log.append(StepStarted(step_id=node.step.id, version=node.version))
        if not fan_out.has_more:
            self._end_fan_out(node, fan_out)
            return
        for _ in range(min(len(fan_out.todo), self._max_parallel)):
            self._ready.push(self._next_call(node, fan_out.take()))

    def _restore_items(self, node: Node, past: Past, fan_out: FanOut) -> None:
        """What an earlier process has done of a fan-out is not done again.

        Nor is an item with effects that failed: it may have had its effect all the same.
        """
        ended: set[int] = set()
        for index, (output, error) in past.items.items():
            if output is not None:
                value = load(self._artifacts, restored(self._artifacts, output))
                fan_out.restore(index, value)
            elif error is not None and self._stays_failed(node, error):
                fan_out.restore(index, error_value(error))
                if node.step.on_failure is not OnFailure.VALUE:
                    fan_out.fail(error, fatal=False)
            else:
                continue
            ended.add(index)
        fan_out.todo = deque(index for index in fan_out.todo if index not in ended)

    @staticmethod
    def _stays_failed(node: Node, error: ErrorInfo) -> bool:
        return not node.tool.effect.repeatable and not is_over_budget(error)

    def _start_next(self) -> bool:
        if self.graph.rank():
            self._ready.reorder()
        call = self._ready.pop()
        if call is None:
            return False
        self._free -= 1
        tool = call.node.tool
        seconds = call.node.step.timeout or tool.timeout or DEFAULT_TIMEOUT
        seconds += self._caller.extra_seconds(tool)
        self._calls.start(call, self._work(call), seconds)
        return True

    # ---- one call ----------------------------------------------------------------------------

    async def _work(self, call: Call) -> None:
        node, step = call.node, call.node.step
        current_program.set(
            self._program.for_step(
                step.id,
                lambda: outlook_of(
                    node, self.graph, self._durations, sealed=self._ends_with_its_steps()
                ),
            )
        )
        loop = asyncio.get_running_loop()
        try:
            self._program.budget.reserve_step()
            arguments = self._inputs.arguments(node, call.index)
            node.state = State.RUNNING
            repeatable = node.tool.effect.repeatable
            happened: JsonValue = None
            if node.past is not None and not repeatable:
                happened = await self._doubts.look(call, arguments)
                if node.in_doubt:
                    node.state = State.HELD
                    self._release(call)
                    return
            if call.index is None or not repeatable:
                self._log_start(call, arguments)
            started = loop.time()
            output = happened
            if output is None and repeatable:
                output = await self._caller.call(node.tool, arguments, timeout=step.timeout)
            elif output is None:
                # The intent is on the disk before the effect: whatever happens then, it is known
                # that it may have happened.
                await self._log.durable()
                key = StepKey(self._log.run_id, step.id, node.version, call.index)
                output = await self._caller.call(
                    node.tool, arguments, timeout=step.timeout, idempotency_key=str(key)
                )
            self._durations.observe(step.tool, loop.time() - started)
            kept = keep(self._artifacts, output)
        except asyncio.CancelledError:
            self._release(call)
            self._call_cancelled(call)
            raise
        except TreadleError as error:
            self._release(call)
            self._call_failed(call, error)
        else:
            self._release(call)
            self._call_succeeded(call, output, kept)
        self._pump()

    def _log_start(self, call: Call, arguments: dict[str, JsonValue]) -> None:
        journaled = self._log.recorder is not None
        self._log.append(
            StepStarted(
                step_id=call.node.step.id,
                attempt=call.attempt,
                arguments=shown(keep(self._artifacts, arguments)),
                index=call.index,
                version=call.node.version,
                input_hash=input_hash(arguments) if journaled else None,
            )
        )

    def _ends_with_its_steps(self) -> bool:
        """Whether no joiner is needed for an answer, as far as the plan tells."""
        return self._plan is not None and self._plan.answer is not None

    def _release(self, call: Call) -> None:
        if self._calls.forget(call):
            self._free += 1
            self._ready.release(call)

    def _call_succeeded(self, call: Call, output: JsonValue, kept: Kept) -> None:
        if call.abandoned:
            return
        if call.index is None:
            self._end(call.node, State.SUCCEEDED, output=kept)
        else:
            self._item_ended(call.node, call.index, output, shown(kept))

    def _call_failed(self, call: Call, error: TreadleError) -> None:
        if call.abandoned:
            return
        step = call.node.step
        info = ErrorInfo.of(error, step.id)
        over_budget = isinstance(error, BudgetExceeded)
        if self._may_retry(call, error):
            self._retry_later(call, info)
        elif call.index is None:
            self._end(call.node, State.FAILED, error=info, fatal=over_budget)
        elif step.on_failure is OnFailure.VALUE and not over_budget:
            self._item_ended(call.node, call.index, error_value(info), error=info)
        else:
            assert call.node.fan_out is not None
            call.node.fan_out.fail(info, fatal=over_budget)
            self._item_ended(call.node, call.index, None, error=info)

    def _may_retry(self, call: Call, error: TreadleError) -> bool:
        return (
            getattr(error, "retryable", False)
            and call.attempt - call.first + 1 < call.node.step.retry.attempts
            and call.node.tool.effect.repeatable
            and not self.graph.stopping
        )

    def _retry_later(self, call: Call, error: ErrorInfo) -> None:
        step = call.node.step
        delay = step.retry.wait_before(call.attempt + 1)
        self._log.append(
            StepRetrying(
                step_id=step.id,
                attempt=call.attempt,
                delay=delay,
                error=error,
                index=call.index,
            )
        )

        async def wait() -> None:
            await asyncio.sleep(delay)
            self._ready.push(Call(call.node, call.index, call.attempt + 1, call.first))
            self._pump()

        self._calls.start_timer(wait())

    def _call_cancelled(self, call: Call) -> None:
        node = call.node
        if call.abandoned or node.state in FINAL:
            return
        if node.fan_out is not None:
            node.fan_out.running -= 1
            if node.fan_out.running:
                return
        self._end(node, State.CANCELLED, error=cancelled(node))

    def _item_ended(
        self,
        node: Node,
        index: int,
        output: JsonValue,
        payload: Payload | None = None,
        *,
        error: ErrorInfo | None = None,
    ) -> None:
        fan_out = node.fan_out
        assert fan_out is not None
        fan_out.give(index, output)
        self._log.append(
            StepProgress(
                step_id=node.step.id,
                done=fan_out.done,
                total=len(fan_out.items),
                index=index,
                output=payload,
                error=error,
            ),
            durable=not node.tool.effect.repeatable,
        )
        if fan_out.has_more and not self.graph.stopping:
            self._ready.push(self._next_call(node, fan_out.take()))
        if fan_out.running:
            return
        self._end_fan_out(node, fan_out)

    def _end_fan_out(self, node: Node, fan_out: FanOut) -> None:
        if fan_out.failure is not None:
            self._end(node, State.FAILED, error=fan_out.failure, fatal=fan_out.fatal)
        elif fan_out.done < len(fan_out.items):
            self._end(node, State.CANCELLED, error=cancelled(node))
        else:
            self._end_with(node, fan_out.outputs)

    def _end_with(self, node: Node, outputs: list[JsonValue]) -> None:
        try:
            kept = keep(self._artifacts, outputs)
        except ToolError as error:
            self._end(node, State.FAILED, error=ErrorInfo.of(error, node.step.id))
        else:
            self._end(node, State.SUCCEEDED, output=kept)

    def _end(
        self,
        node: Node,
        state: State,
        *,
        output: Kept = None,
        error: ErrorInfo | None = None,
        fatal: bool = False,
    ) -> None:
        self.graph.end(node, state, output=output, error=error, fatal=fatal)
        if state is State.FAILED and node.step.on_failure is OnFailure.CANCEL:
            self.stop()
        self._pump()

    # ---- approval ------------------------------------------------------------------------------

    def held_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for an approval."""
        return self._approvals.held_calls()

    def waits(self) -> bool:
        """Whether a step waits for a person: to approve it, or to say what became of it."""
        return any(node.state is State.HELD for node in self.graph.nodes.values())

    def decide(self, approved: bool) -> None:
        """A person has decided on all calls of the plan that were still open."""
        assert self._plan is not None
        self._approvals.decide(self._plan, approved)

    def answer_call(
        self,
        step_id: str,
        approved: bool,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
    ) -> None:
        """A person has decided on one call; see `Approvals.answer`."""
        if self._plan is None:
            raise RunError("nothing_waits", f"step '{step_id}' waits for no decision")
        self._approvals.answer(self._plan, step_id, approved, reason=reason, arguments=arguments)

    # ---- the end -------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Return when nothing runs and nothing can start. Raises what a callback raised."""
        await self.idle()
        if self.crash is not None:
            raise self.crash

    async def idle(self) -> None:
        """Like `settle`, but whatever was raised stays in `crash`."""
        await self._calls.idle()

    def cancel(self) -> None:
        """Stop everything because the caller wants it; see `stop`."""
        self.cancelled = True
        self.stop()

    def is_paused(self) -> bool:
        """Whether something is left to do that a pause holds back."""
        nodes = self.graph.nodes.values()
        return self.graph.paused and any(node.state not in FINAL for node in nodes)

    def pause(self) -> None:
        """Start nothing more; what runs goes on to its end, then `settle` returns."""
        self.graph.paused = True

    def stop(self) -> None:
        """Stop everything, for whatever reason; `settle` returns within the grace period."""
        self.graph.stopping = True
        self.graph.startable.clear()
        self._ready.keep(lambda call: False)
        self._calls.cancel()

    def finish(self) -> State:
        """Give every remaining step its final state; return the run's.

        One of FAILED, CANCELLED, WAITING and SUCCEEDED.
        """
        self.graph.finish()
        if self.cancelled:
            return State.CANCELLED
        if self.graph.first_failure() is not None:
            return State.FAILED
        waiting = any(node.state is State.WAITING for node in self.graph.nodes.values())
        return State.WAITING if waiting else State.SUCCEEDED

    def answer(self, template: Parsed) -> JsonValue:
        """The answer from the outputs. Raises ToolError (`reference_not_found`)."""
        return self._inputs.answer(template)

    def _on_crash(self, error: BaseException) -> None:
        self.crash = self.crash or error
        self.stop()

    def _on_overdue(self, call: Call) -> None:
        self._release(call)
        if self.graph.stopping:
            self._call_cancelled(call)
            return
        name = call.node.tool.name
        reason = f"'{name}' took too long and ignored its cancellation; it was abandoned"
        self._call_failed(call, ToolError("tool_timeout", reason))
        self._pump()
