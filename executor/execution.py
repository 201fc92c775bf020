"""The scheduler: runs the steps of a plan as soon as their inputs are there.

No layers and no barriers: a step that ends releases those that waited for it only, and the one
with the longest remaining path starts first. Steps can be added while others run, which is how a
plan runs while it is still being written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from treadle.core.call_counts import CallCounts
from treadle.core.clock import SystemClock
from treadle.core.durations import DurationSource
from treadle.core.errors import BudgetExceeded, ErrorInfo, RunError, ToolError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.core.program import Program
from treadle.executor.approval import Approve, PendingCall, Reply
from treadle.executor.approvals import Approvals
from treadle.executor.attempts import Attempts, Made
from treadle.executor.calling import ToolCaller
from treadle.executor.calls import RunningCalls
from treadle.executor.dispatch import Dispatch, Follow
from treadle.executor.doubts import Doubts, Verdict
from treadle.executor.fan_outs import FanOuts
from treadle.executor.graph import Graph, cancelled
from treadle.executor.history import History
from treadle.executor.inputs import Inputs
from treadle.executor.node import FINAL, Call, Node, State
from treadle.executor.ready import ReadyQueue
from treadle.executor.retries import Retries
from treadle.executor.stored import restored, shown
from treadle.executor.streams import Streams
from treadle.planner.plan import Plan
from treadle.planner.reference import Parsed
from treadle.planner.step import OnFailure, Step
from treadle.tools import ToolRegistry
from treadle.tools.artifacts import ArtifactStore, Kept


class Execution:
    """Executes one plan within a run.

    `add` steps as they are known, `seal` the plan when it is complete, then `settle` and `finish`.
    Steps with effects wait for the seal and for approval. Everything happens in the event loop's
    thread; the events in `program.log` are the record.

    max_parallel: calls that run at once.
    approve: who decides on effects; None when there is nobody to ask.
    verdicts: what a person said of steps that are in doubt, by id.
    caller: makes the calls, under the limits that runs share; one of its own by default.
    call_counts: how many model calls steps make.
    within: the id of the run, where it is part of another one.
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
        call_counts: CallCounts | None = None,
        within: str | None = None,
    ) -> None:
        self.graph = Graph(tools, program.log, durations, within)
        """The steps with their states."""
        self.cancelled = False
        """Whether the caller asked to cancel."""
        self.crash: BaseException | None = None
        """What a callback (`approve`) raised; None if nothing did."""
        self._log = program.log
        self._inputs = Inputs(self.graph.nodes, artifacts)
        self._ready = ReadyQueue()
        self._calls = RunningCalls(self._on_crash, self._on_overdue)
        self._approvals = Approvals(
            self.graph, self._log, self._inputs, artifacts, approve, self._calls, self._pump
        )
        self._doubts = Doubts(program.log, verdicts)
        self._fan_outs = FanOuts(
            self.graph, self._log, artifacts, self._ready, width=max_parallel, end=self._end
        )
        self._retries = Retries(self.graph, self._log, self._ready, self._calls, self._pump)
        self._streams = Streams(self.graph, self._fan_outs)
        self._attempts = Attempts(
            program,
            self.graph,
            self._inputs,
            artifacts,
            durations,
            CallCounts() if call_counts is None else call_counts,
            self._doubts,
            caller or ToolCaller(SystemClock()),
            self._calls,
            self._give,
        )
        self._dispatch = Dispatch(
            self.graph,
            self._log,
            self._ready,
            self._calls,
            self._attempts,
            Follow(self._prepare, self._settle, self._call_cancelled),
            width=max_parallel,
        )
        self._artifacts = artifacts
        self._plan: Plan | None = None
        self._on_hold = False

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
        self.graph.answers_itself = plan.answer is not None
        self.graph.rank(everything=True)
        self._ready.reorder()
        self._begin(plan)

    def _begin(self, plan: Plan) -> None:
        if self._on_hold:
            return
        self._approvals.request(plan)
        self.graph.startable.extend(self._approvals.held())
        self._pump()

    def hold(self) -> None:
        """Start nothing, and ask nobody, until `go_on`: the plan may be patched before."""
        self._on_hold = True

    def go_on(self) -> None:
        """The sealed plan is the one to carry out."""
        assert self._plan is not None
        self._on_hold = False
        self._begin(self._plan)

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
        also = () if history.started is None else history.started.asks
        self._approvals.restore(history.decisions, also)

    # ---- what may start ----------------------------------------------------------------------

    def _pump(self) -> None:
        if not self._on_hold:
            self._dispatch.pump()

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
            if self._approvals.wants_all(node):
                return  # again when the stream that it reads has come to its end
            if self._plan is None and not node.tool.effect.repeatable:
                node.state = State.HELD
                return
            # What may have happened comes first: a policy that denies it now undoes nothing.
            if self._in_doubt(node):
                return
            if self._approvals.holds(node):
                node.state = State.HELD
                return
            if step.for_each is not None:
                if not self._streams.begin(node):
                    self._fan_outs.begin(node, self._inputs.items(node))
                return
        except TreadleError as error:
            self._end(node, State.FAILED, error=ErrorInfo.of(error, step.id))
            return
        node.state = State.READY
        self._ready.push(Call.next_of(node, None))

    def _in_doubt(self, node: Node) -> bool:
        """Whether `node` goes no further: a person must say what became of it, or has."""
        if self._doubts.take_verdict(node):
            self._end(node, State.SUCCEEDED, output=None)
            return True
        node.in_doubt = self._doubts.needs_person(node)
        if node.in_doubt:
            node.state = State.HELD
        return node.in_doubt

    # ---- what follows from a call ----------------------------------------------------------------

    def _settle(self, call: Call, outcome: Made | TreadleError | None) -> None:
        if isinstance(outcome, TreadleError):
            self._call_failed(call, outcome)
        elif outcome is not None:
            self._call_succeeded(call, outcome)

    def _call_succeeded(self, call: Call, made: Made) -> None:
        if call.abandoned:
            return
        if call.index is None:
            self._end(call.node, State.SUCCEEDED, output=made.kept)
        else:
            self._fan_outs.succeeded(call, made.output, shown(made.kept))

    def _call_failed(self, call: Call, error: TreadleError) -> None:
        if call.abandoned:
            return
        info = ErrorInfo.of(error, call.node.step.id)
        over_budget = isinstance(error, BudgetExceeded)
        if self._retries.may(call, error):
            self._retries.later(call, info)
        elif call.index is None:
            self._end(call.node, State.FAILED, error=info, fatal=over_budget)
        else:
            self._fan_outs.failed(call, info, fatal=over_budget)

    def _call_cancelled(self, call: Call) -> None:
        node = call.node
        if call.abandoned or node.state in FINAL:
            return
        if node.fan_out is None or self._fan_outs.let_go(node):
            self._end(node, State.CANCELLED, error=cancelled(node))

    def _end(
        self,
        node: Node,
        state: State,
        *,
        output: Kept = None,
        error: ErrorInfo | None = None,
        fatal: bool = False,
    ) -> None:
        readers = self._streams.stop(node)
        whole = state is State.SUCCEEDED
        if not whole:
            for reader in readers:
                self._withdraw(reader)
        self.graph.end(node, state, output=output, error=error, fatal=fatal)
        if whole:
            for reader in readers:
                self._fan_outs.close(reader)
        if state is State.FAILED and node.step.on_failure is OnFailure.CANCEL:
            self.stop()
        self._pump()

    def _give(self, source: Node, item: JsonValue) -> None:
        if source.state is State.RUNNING and not self.graph.stopping:
            self._streams.give(source, item)
            self._pump()

    def _withdraw(self, reader: Node) -> None:
        """What `reader` works on did not come to its end: it is as if it had not begun."""
        self._ready.keep(lambda call: call.node is not reader)
        for call in self._calls.drop(reader):
            self._dispatch.release(call)
        reader.fan_out, reader.state = None, State.PENDING

    # ---- approval ------------------------------------------------------------------------------

    def held_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for an approval."""
        return self._approvals.held_calls()

    def open_calls(self) -> tuple[PendingCall, ...]:
        """Those, and the calls behind them that were asked about with them."""
        return tuple(self._approvals.open_calls())

    def waits(self) -> bool:
        """Whether a step waits for a person: to approve it, or to say what became of it."""
        nodes = self.graph.nodes.values()
        return any(
            node.state is State.HELD or (node.in_doubt and node.state not in FINAL)
            for node in nodes
        )

    def decide(self, reply: Reply) -> None:
        """A person has decided on the calls that were still open; see `Approvals.decide`."""
        assert self._plan is not None
        self._approvals.decide(self._plan, reply)

    def answer_call(
        self,
        step_id: str,
        approved: bool,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
        about: str | None = None,
    ) -> None:
        """A person has decided on one call; see `Approvals.answer`."""
        if self._plan is None:
            raise RunError("nothing_waits", f"step '{step_id}' waits for no decision")
        self._approvals.answer(
            self._plan, step_id, approved, reason=reason, arguments=arguments, about=about
        )

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
        self._dispatch.release(call)
        if self.graph.stopping:
            self._call_cancelled(call)
            return
        name = call.node.tool.name
        reason = f"'{name}' took too long and ignored its cancellation; it was abandoned"
        self._call_failed(call, ToolError("tool_timeout", reason))
        self._pump()
