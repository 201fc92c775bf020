"""The scheduler: runs the steps of a plan as soon as their inputs are there.

No layers and no barriers: a step that ends releases those that waited for it only, and the one
with the longest remaining path starts first. Steps can be added while others run, which is how a
plan runs while it is still being written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from treadle.core.durations import DurationSource
from treadle.core.errors import BudgetExceeded, ErrorInfo, ToolError, TreadleError
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Payload,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepRetrying,
    StepStarted,
    StepStatus,
)
from treadle.core.json_value import JsonValue
from treadle.core.program import Outlook, Program, current_program
from treadle.executor.approval import ApprovalRequest, Approve, PendingCall, needs_approval
from treadle.executor.calls import RunningCalls
from treadle.executor.inputs import Inputs
from treadle.executor.node import FINAL, NOT_STARTED, Call, FanOut, Node, State
from treadle.executor.outlook import outlook_of
from treadle.executor.ready import ReadyQueue
from treadle.planner.plan import Plan
from treadle.planner.reference import Parsed
from treadle.planner.step import OnFailure, Step
from treadle.tools import ToolRegistry
from treadle.tools.artifacts import ArtifactStore, Kept, as_json
from treadle.tools.tool import DEFAULT_TIMEOUT

_STATUS: dict[State, StepStatus] = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.SKIPPED: "skipped",
    State.CANCELLED: "cancelled",
    State.WAITING: "waiting",
}

_FATAL = frozenset({OnFailure.FAIL, OnFailure.CANCEL, OnFailure.REPLAN})


class Execution:
    """Executes one plan within a run.

    `add` steps as they are known, `seal` the plan when it is complete, then `settle` and `finish`.
    Steps with effects wait for the seal and for approval. Everything happens in the event loop's
    thread; the events in `program.log` are the record.

    max_parallel: calls that run at once.
    approve: who decides on effects; None when there is nobody to ask.
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
    ) -> None:
        self._tools = tools
        self._program = program
        self._log = program.log
        self._durations = durations
        self._artifacts = artifacts
        self._approve = approve
        self._max_parallel = max_parallel
        self._nodes: dict[str, Node] = {}
        self._inputs = Inputs(self._nodes, artifacts)
        self._ready = ReadyQueue()
        self._calls = RunningCalls(self._on_crash, self._on_overdue)
        self._free = max_parallel
        self._startable: deque[Node] = deque()
        self._pumping = False
        self._unranked = 0
        self._plan: Plan | None = None
        self._approved: set[str] = set()
        self._denied: set[str] = set()
        self._crash: BaseException | None = None
        self._stopping = False
        self.cancelled = False
        """Whether the caller asked to cancel."""

    # ---- building the plan -------------------------------------------------------------------

    def add(self, step: Step) -> None:
        """Add a step; what it needs must have been added before. It may start at once."""
        self._log.append(
            StepPlanned(
                step_id=step.id, tool=step.tool, needs=step.needs, step=Payload(step.wire())
            )
        )
        self._insert(step)
        self._pump()

    def seal(self, plan: Plan) -> None:
        """The plan is complete and checked: steps with effects may start once approved."""
        self._plan = plan
        self._rank()
        self._request_approval(plan)
        self._pump()

    def patch(self, plan: Plan) -> None:
        """Go on with `plan`, a patched version: what has started stays, the rest is laid anew."""
        kept = {id_: node for id_, node in self._nodes.items() if node.state not in NOT_STARTED}
        before = {id_: node.step for id_, node in self._nodes.items() if id_ not in kept}
        self._nodes.clear()
        self._nodes.update(kept)
        self._startable.clear()
        self._ready.keep(lambda call: call.node.state is State.RUNNING)
        for node in kept.values():
            node.dependents.clear()
        for step_id in before.keys() - {step.id for step in plan.steps}:
            self._log.append(StepDropped(step_id=step_id))
        for step in plan.steps:
            if step.id in kept:
                continue
            if before.get(step.id) != step:
                payload = Payload(step.wire())
                self._log.append(
                    StepPlanned(step_id=step.id, tool=step.tool, needs=step.needs, step=payload)
                )
            self._insert(step)
        self.seal(plan)

    def _insert(self, step: Step) -> None:
        node = Node(step, self._tools.find(step.tool), len(self._nodes))
        node.rank = self._durations.expected_seconds(step.tool)
        self._nodes[step.id] = node
        self._unranked += 1
        blocker: Node | None = None
        for need in step.needs:
            source = self._nodes[need]
            source.dependents.append(node)
            if source.state not in FINAL and source.state is not State.BLOCKED:
                node.unmet += 1
            elif not self._hands_on(source):
                blocker = source
        if blocker is not None:
            self._refuse_dependent(blocker, node)
        elif node.unmet == 0:
            self._startable.append(node)

    # ---- what may start ----------------------------------------------------------------------

    def _pump(self) -> None:
        """Start whatever can start. Not recursive: a chain of skipped steps may be long."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._startable or (self._free and self._ready):
                if self._startable:
                    self._prepare(self._startable.popleft())
                elif not self._start_next():
                    break
        finally:
            self._pumping = False

    def _prepare(self, node: Node) -> None:
        """The inputs of `node` are there: decide its condition, its approval and its items."""
        if self._stopping or node.state not in (State.PENDING, State.HELD):
            return
        try:
            if not self._inputs.condition_holds(node):
                node.by_condition = True
                reason = ErrorInfo("condition_not_met", "its condition does not hold", node.step.id)
                self._end(node, State.SKIPPED, error=reason)
                return
            if needs_approval(node.tool.effect) and node.step.id not in self._approved:
                if node.step.id in self._denied:
                    raise ToolError("approval_denied", "the call was not approved")
                node.state = State.HELD
                return
            if node.step.for_each is not None:
                self._fan_out(node, self._inputs.items(node))
                return
        except TreadleError as error:
            self._end(node, State.FAILED, error=ErrorInfo.of(error, node.step.id))
            return
        node.state = State.READY
        self._ready.push(Call(node))

    def _fan_out(self, node: Node, items: list[JsonValue]) -> None:
        node.state = State.RUNNING
        self._log.append(StepStarted(step_id=node.step.id))
        node.fan_out = FanOut(items, [None] * len(items))
        if not items:
            self._end(node, State.SUCCEEDED, output=[])
            return
        for _ in range(min(len(items), self._max_parallel)):
            self._push_item(node, node.fan_out)

    def _push_item(self, node: Node, fan_out: FanOut) -> None:
        fan_out.running += 1
        self._ready.push(Call(node, fan_out.next))
        fan_out.next += 1

    def _start_next(self) -> bool:
        if self._unranked > max(16, len(self._nodes) // 8):
            # Amortised: ranking anew at every added step would cost the square of their number.
            self._rank()
        call = self._ready.pop()
        if call is None:
            return False
        self._free -= 1
        seconds = call.node.step.timeout or call.node.tool.timeout or DEFAULT_TIMEOUT
        self._calls.start(call, self._work(call), seconds)
        return True

    def _rank(self) -> None:
        for node in reversed(self._nodes.values()):
            after = max((each.rank for each in node.dependents), default=0.0)
            node.rank = self._durations.expected_seconds(node.tool.name) + after
        self._unranked = 0
        self._ready.reorder()

    # ---- one call ----------------------------------------------------------------------------

    async def _work(self, call: Call) -> None:
        node, step = call.node, call.node.step
        current_program.set(self._program.for_step(step.id, lambda: self._outlook(node)))
        loop = asyncio.get_running_loop()
        try:
            self._program.budget.reserve_step()
            arguments = self._inputs.arguments(node, call.index)
            node.state = State.RUNNING
            if call.index is None:
                self._log.append(
                    StepStarted(
                        step_id=step.id,
                        attempt=call.attempt,
                        arguments=Payload(as_json(self._artifacts.keep(arguments))),
                    )
                )
            started = loop.time()
            output = await node.tool.call(arguments, timeout=step.timeout)
            self._durations.observe(step.tool, loop.time() - started)
            kept = self._artifacts.keep(output)
        except asyncio.CancelledError:
            self._release(call)
            self._call_cancelled(call)
            raise
        except TreadleError as error:
            self._release(call)
            self._call_failed(call, error)
        else:
            self._release(call)
            self._call_succeeded(call, kept)
        self._pump()

    def _release(self, call: Call) -> None:
        if self._calls.forget(call):
            self._free += 1
            self._ready.release(call)

    def _call_succeeded(self, call: Call, output: Kept) -> None:
        if call.abandoned:
            return
        if call.index is None:
            self._end(call.node, State.SUCCEEDED, output=output)
        else:
            self._item_ended(call.node, call.index, output, None)

    def _call_failed(self, call: Call, error: TreadleError) -> None:
        if call.abandoned:
            return
        node, step = call.node, call.node.step
        info = ErrorInfo.of(error, step.id)
        if self._may_retry(call, error):
            delay = step.retry.wait_before(call.attempt + 1)
            self._log.append(
                StepRetrying(
                    step_id=step.id,
                    attempt=call.attempt,
                    delay=delay,
                    error=info,
                    index=call.index,
                )
            )
            self._calls.start_timer(self._retry(call, delay))
            return
        over = isinstance(error, BudgetExceeded)
        if call.index is None:
            self._end(node, State.FAILED, error=info, over_budget=over)
        elif step.on_failure is OnFailure.VALUE and not over:
            self._item_ended(node, call.index, _error_value(info), info)
        else:
            assert node.fan_out is not None
            node.fan_out.failure = node.fan_out.failure or info
            self._item_ended(node, call.index, None, info)

    def _may_retry(self, call: Call, error: TreadleError) -> bool:
        return (
            getattr(error, "retryable", False)
            and call.attempt < call.node.step.retry.attempts
            and call.node.tool.effect.repeatable
            and not self._stopping
        )

    async def _retry(self, call: Call, delay: float) -> None:
        await asyncio.sleep(delay)
        self._ready.push(Call(call.node, call.index, call.attempt + 1))
        self._pump()

    def _call_cancelled(self, call: Call) -> None:
        if call.abandoned or call.node.state in FINAL:
            return
        if call.index is not None:
            assert call.node.fan_out is not None
            call.node.fan_out.running -= 1
            if call.node.fan_out.running:
                return
        self._end(call.node, State.CANCELLED, error=_cancelled(call.node))

    def _item_ended(self, node: Node, index: int, output: Kept, error: ErrorInfo | None) -> None:
        fan_out = node.fan_out
        assert fan_out is not None
        fan_out.done += 1
        fan_out.running -= 1
        fan_out.outputs[index] = self._artifacts.load(output)
        self._log.append(
            StepProgress(
                step_id=node.step.id,
                done=fan_out.done,
                total=len(fan_out.items),
                index=index,
                output=None if error is not None else Payload(as_json(output)),
                error=error,
            )
        )
        if fan_out.failure is None and fan_out.next < len(fan_out.items) and not self._stopping:
            self._push_item(node, fan_out)
        if fan_out.running:
            return
        if fan_out.failure is not None:
            self._end(node, State.FAILED, error=fan_out.failure)
        elif self._stopping and fan_out.done < len(fan_out.items):
            self._end(node, State.CANCELLED, error=_cancelled(node))
        else:
            self._end(node, State.SUCCEEDED, output=self._artifacts.keep(fan_out.outputs))

    # ---- what follows from an end --------------------------------------------------------------

    def _end(
        self,
        node: Node,
        state: State,
        *,
        output: Kept = None,
        error: ErrorInfo | None = None,
        over_budget: bool = False,
    ) -> None:
        """The one place where a step reaches a final state."""
        node.state = state
        node.error = error
        policy = OnFailure.FAIL if over_budget else node.step.on_failure
        has_output = state is State.SUCCEEDED
        if state is State.FAILED and policy is OnFailure.VALUE and error is not None:
            output, has_output = _error_value(error), True
        node.output = output
        self._log.append(
            StepFinished(
                step_id=node.step.id,
                status=_STATUS[state],
                output=Payload(as_json(output)) if has_output else None,
                error=error,
            )
        )
        node.fatal = state is State.FAILED and policy in _FATAL
        if state is State.FAILED and policy is OnFailure.CANCEL:
            self._stop()
        if has_output:
            for dependent in node.dependents:
                dependent.unmet -= 1
                if dependent.unmet == 0 and dependent.state is State.PENDING:
                    self._startable.append(dependent)
        elif not self._stopping:
            for dependent in node.dependents:
                self._refuse_dependent(node, dependent)
        self._pump()

    def _refuse_dependent(self, source: Node, first: Node) -> None:
        """`source` gives nothing: neither `first` nor what depends on it can run."""
        blocked = source.state is State.BLOCKED or (
            source.state is State.FAILED and source.step.on_failure is OnFailure.REPLAN
        )
        pending = [(source, first)]
        while pending:
            cause, node = pending.pop()
            if node.state not in (State.PENDING, State.HELD):
                continue
            if blocked:
                node.state = State.BLOCKED
            else:
                node.by_condition = cause.by_condition
                self._skip(node, cause)
            pending.extend((node, dependent) for dependent in node.dependents)

    def _skip(self, node: Node, cause: Node) -> None:
        node.state = State.SKIPPED
        how = "was skipped" if cause.state is State.SKIPPED else "did not succeed"
        code = "condition_not_met" if node.by_condition else "dependency_failed"
        node.error = ErrorInfo(code, f"it needs '{cause.step.id}', which {how}", node.step.id)
        self._log.append(StepFinished(step_id=node.step.id, status="skipped", error=node.error))

    @staticmethod
    def _hands_on(node: Node) -> bool:
        return node.state is State.SUCCEEDED or (
            node.state is State.FAILED and node.step.on_failure is OnFailure.VALUE
        )

    # ---- approval ------------------------------------------------------------------------------

    def _request_approval(self, plan: Plan) -> None:
        """Ask once for all calls of the plan that need it and were not asked for yet."""
        asked = self._approved | self._denied
        calls = tuple(
            _pending_call(node)
            for node in self._nodes.values()
            if needs_approval(node.tool.effect)
            and node.state not in FINAL
            and node.step.id not in asked
        )
        if not calls:
            return
        request = ApprovalRequest(self._log.run_id, plan.hash, calls)
        step_ids = tuple(call.step_id for call in calls)
        self._log.append(ApprovalRequested(plan_hash=plan.hash, step_ids=step_ids))
        if self._approve is None:
            self._log.append(
                ApprovalAnswered(
                    plan_hash=plan.hash, step_ids=step_ids, approved=False, by="nobody"
                )
            )
            return
        self._calls.start_timer(self._ask(self._approve, request, step_ids))

    async def _ask(
        self, approve: Approve, request: ApprovalRequest, step_ids: tuple[str, ...]
    ) -> None:
        self._decide(step_ids, await approve(request), request.plan_hash)

    def held_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for an approval."""
        return tuple(
            _pending_call(node) for node in self._nodes.values() if node.state is State.HELD
        )

    def decide_held(self, approved: bool) -> None:
        """A person has decided on all calls of the plan that need approval."""
        assert self._plan is not None
        step_ids = tuple(
            node.step.id
            for node in self._nodes.values()
            if needs_approval(node.tool.effect) and node.state not in FINAL
        )
        self._decide(step_ids, approved, self._plan.hash)

    def _decide(self, step_ids: tuple[str, ...], approved: bool, plan_hash: str) -> None:
        self._log.append(
            ApprovalAnswered(
                plan_hash=plan_hash, step_ids=step_ids, approved=approved, by="approver"
            )
        )
        (self._approved if approved else self._denied).update(step_ids)
        held = (self._nodes[step_id] for step_id in step_ids if step_id in self._nodes)
        self._startable.extend(node for node in held if node.state is State.HELD)
        self._pump()

    # ---- the end -------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Return when nothing runs and nothing can start. Raises what a callback raised."""
        await self._calls.idle()
        if self._crash is not None:
            raise self._crash

    def unresolved(self) -> list[Node]:
        """The steps that failed with the policy `replan` and were not taken care of."""
        return [
            node
            for node in self._nodes.values()
            if node.fatal and node.step.on_failure is OnFailure.REPLAN
        ]

    def resolve(self, nodes: Iterable[Node]) -> None:
        """A patch or an answer takes care of the failure of `nodes`."""
        for node in nodes:
            node.fatal = False

    def cancel(self) -> None:
        """Stop everything because the caller wants it; see `stop`."""
        self.cancelled = True
        self._stop()

    def stop(self) -> None:
        """Stop everything, for whatever reason; `settle` returns within the grace period."""
        self._stop()

    @property
    def stopping(self) -> bool:
        """Whether everything was told to stop."""
        return self._stopping

    def held(self) -> bool:
        """Whether steps wait for an approval that nobody gave."""
        return any(node.state is State.HELD for node in self._nodes.values())

    def finish(self) -> State:
        """Give every remaining step its final state; return the run's.

        One of FAILED, CANCELLED, WAITING and SUCCEEDED.
        """
        for node in list(self._nodes.values()):
            if node.state in FINAL:
                continue
            if self._stopping:
                self._end(node, State.CANCELLED, error=_cancelled(node))
            elif node.state is State.BLOCKED:
                cause = next(need for need in node.step.needs if not self._hands_on_to(need))
                self._skip(node, self._nodes[cause])
            else:
                reason = "it waits for an approval, or for a step that does"
                self._end(
                    node,
                    State.WAITING,
                    error=ErrorInfo("approval_needed", reason, node.step.id),
                )
        if self.cancelled:
            return State.CANCELLED
        if self.first_failure() is not None:
            return State.FAILED
        waiting = any(node.state is State.WAITING for node in self._nodes.values())
        return State.WAITING if waiting else State.SUCCEEDED

    def first_failure(self) -> ErrorInfo | None:
        """The error of the first step, in the plan's order, that makes the run fail."""
        return next((node.error for node in self._nodes.values() if node.fatal), None)

    def answer(self, template: Parsed) -> JsonValue:
        """The answer from the outputs. Raises ToolError (`reference_not_found`)."""
        return self._inputs.answer(template)

    @property
    def nodes(self) -> Iterable[Node]:
        """All steps with their states, in the plan's order."""
        return self._nodes.values()

    def started(self) -> set[str]:
        """The ids of the steps that a patch can no longer change."""
        return {id_ for id_, node in self._nodes.items() if node.state not in NOT_STARTED}

    def _stop(self) -> None:
        self._stopping = True
        self._startable.clear()
        self._ready.keep(lambda call: False)
        self._calls.cancel()

    def _hands_on_to(self, step_id: str) -> bool:
        return self._hands_on(self._nodes[step_id])

    def _on_crash(self, error: BaseException) -> None:
        self._crash = self._crash or error
        self._stop()

    def _on_overdue(self, call: Call) -> None:
        self._release(call)
        if self._stopping:
            self._call_cancelled(call)
            return
        error = ToolError(
            "tool_timeout",
            f"'{call.node.tool.name}' took too long and ignored its cancellation; it was abandoned",
        )
        self._call_failed(call, error)
        self._pump()

    def _outlook(self, node: Node) -> Outlook:
        below = {id(node)}
        pending = list(node.dependents)
        while pending:
            each = pending.pop()
            if id(each) not in below:
                below.add(id(each))
                pending.extend(each.dependents)
        others_call = any(
            each.tool.calls_model and each.state not in FINAL and id(each) not in below
            for each in self._nodes.values()
        )
        return outlook_of(
            node, self._durations, sealed=self._plan is not None, others_call=others_call
        )


def _cancelled(node: Node) -> ErrorInfo:
    return ErrorInfo("cancelled", "the run was stopped before it ended", node.step.id)


def _error_value(error: ErrorInfo) -> JsonValue:
    """What the policy `value` hands on: `{"error": {"code", "message"}}`."""
    return {"error": {"code": error.code, "message": error.message}}


def _pending_call(node: Node) -> PendingCall:
    step = node.step
    return PendingCall(step.id, step.tool, node.tool.effect, step.args, step.for_each is not None)
