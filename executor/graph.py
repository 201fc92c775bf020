"""The DAG of a run: who waits for whom, and what follows when a step ends.

No clock, no tasks: a state machine that the scheduler drives. A step that becomes free to start is
put into `startable`; every final state is recorded as an event, here and nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from treadle.core.durations import DurationSource
from treadle.core.errors import ErrorInfo
from treadle.core.event_log import EventLog
from treadle.core.events import StepDropped, StepFinished, StepPlanned, StepStatus
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.taint import CLEAN, Labels, listed
from treadle.executor.doubt_names import in_words, names_in_doubt
from treadle.executor.history import Past
from treadle.executor.node import FINAL, NOT_STARTED, Node, State
from treadle.executor.stored import shown
from treadle.executor.taints import Taints
from treadle.planner.plan import Plan
from treadle.planner.step import OnFailure, Step
from treadle.tools import ToolRegistry
from treadle.tools.artifacts import Kept

_STATUS: dict[State, StepStatus] = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.SKIPPED: "skipped",
    State.CANCELLED: "cancelled",
    State.WAITING: "waiting",
}

_STATE: dict[StepStatus, State] = {
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "skipped": State.SKIPPED,
}

_FATAL = frozenset({OnFailure.FAIL, OnFailure.CANCEL, OnFailure.REPLAN})


class Graph:
    """Steps with their states, in the plan's order.

    stopping: set when everything is to end; what depends on a cancelled step is then left alone.
    paused: set when nothing more is to start.
    answers_itself: set when the plan is complete and has its answer: nothing else will come.
    """

    def __init__(
        self,
        tools: ToolRegistry,
        log: EventLog,
        durations: DurationSource,
        within: str | None = None,
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.taints = Taints(self.nodes, within)
        self.startable: deque[Node] = deque()
        self.stopping = False
        self.paused = False
        self.answers_itself = False
        self._tools = tools
        self._log = log
        self._durations = durations
        self._unranked = 0

    # ---- its shape ---------------------------------------------------------------------------

    def add(self, step: Step, version: int = 1) -> None:
        """Add a step whose needs are all there; announce it. `version`: of its plan."""
        payload = Payload(step.recorded)
        self._log.append(
            StepPlanned(
                step_id=step.id,
                tool=step.tool,
                needs=step.needs,
                step=payload,
                version=version,
                taint=listed(self.taints.author),
            )
        )
        self._insert(step, version, author=self.taints.author)

    def restore(self, step: Step, past: Past, output: Kept) -> None:
        """Add a step as an earlier process has left it; what has ended stays so.

        output: what it came to, None where it has none.
        """
        ended = _STATE.get(past.status) if past.status is not None else None
        if ended is None:
            if step.reads is not None and self.nodes[step.reads].state is not State.SUCCEEDED:
                past.items.clear()  # of a stream that was cut short; it may bring others now
            self._insert(step, past.version, past, author=past.author)
            return
        node = Node(step, self._tools.find(step.tool), ended, version=past.version, past=past)
        node.output, node.error = output, past.error
        node.author, node.taint = past.author, past.taint
        self.taints.take(node)
        self._set_outcome(node, over_budget=is_over_budget(past.error))
        if past.resolved:
            node.fatal = False
        if ended is State.SKIPPED:
            node.by_condition = past.error is not None and past.error.code == "condition_not_met"
        self.nodes[step.id] = node
        for need in step.needs:
            self.nodes[need].dependents.append(node)

    def patch(self, plan: Plan) -> None:
        """What has started stays; the rest is laid anew, as `plan` says."""
        kept = {id_: node for id_, node in self.nodes.items() if _is_under_way(node)}
        before = {id_: node for id_, node in self.nodes.items() if id_ not in kept}
        self.nodes.clear()
        self.startable.clear()
        for node in kept.values():
            node.dependents.clear()
        for step_id in before.keys() - {step.id for step in plan.steps}:
            self._log.append(StepDropped(step_id=step_id))
        for step in plan.steps:
            if step.id in kept:
                self.nodes[step.id] = kept[step.id]
                for need in step.needs:
                    self.nodes[need].dependents.append(kept[step.id])
            elif step.id in before and before[step.id].step == step:
                was = before[step.id]
                self._insert(step, was.version, was.past, author=was.author)
            else:
                self.add(step, plan.version)

    def _insert(
        self, step: Step, version: int = 1, past: Past | None = None, *, author: Labels = CLEAN
    ) -> None:
        node = Node(step, self._tools.find(step.tool), version=version, past=past, author=author)
        if past is not None:
            node.gathered = past.gathered
        self.taints.take(node)
        node.rank = self._durations.expected_seconds(step.tool)
        self.nodes[step.id] = node
        self._unranked += 1
        blocker: Node | None = None
        # What has effects waits for the whole list: the rest of it may never come.
        # So does a sink: what reaches it is looked at as a whole.
        early = node.tool.effect.repeatable and not node.tool.is_sink
        reads = step.reads if step.for_each is not None and early else None
        for need in step.needs:
            source = self.nodes[need]
            source.dependents.append(node)
            if need == reads and source.tool.signature.streams:
                node.reads = source
            if source.state not in FINAL and source.state is not State.BLOCKED:
                node.unmet += 1
            elif not source.hands_on:
                blocker = source
        if blocker is not None:
            self._refuse(blocker, node)
        elif can_start(node):
            self.startable.append(node)

    def builds_on_kept(self, node: Node) -> bool:
        """Whether the ends of all steps that `node` needs are kept where a crash leaves them."""
        nodes, log = self.nodes, self._log
        return all(log.is_kept(nodes[need].ended_seq) for need in node.step.needs)

    def rank(self, *, everything: bool = False) -> bool:
        """Work out the remaining paths anew if many steps are new; True if it was done.

        Amortised: doing it at every added step would cost the square of their number.
        """
        if not everything and self._unranked <= max(16, len(self.nodes) // 8):
            return False
        seconds: dict[str, float] = {}
        for node in reversed(self.nodes.values()):
            name = node.tool.name
            if name not in seconds:
                seconds[name] = self._durations.expected_seconds(name)
            node.rank = seconds[name]
            if node.dependents:
                node.rank += max(each.rank for each in node.dependents)
        self._unranked = 0
        return True

    # ---- what follows from an end --------------------------------------------------------------

    def end(
        self,
        node: Node,
        state: State,
        *,
        output: Kept = None,
        error: ErrorInfo | None = None,
        fatal: bool = False,
    ) -> None:
        """`node` has reached a final state: record it and tell those that wait for it.

        fatal: the run fails whatever the step's policy says (its budget is used up).
        """
        node.state = state
        node.error = error
        self._set_outcome(node, over_budget=fatal)
        if node.hands_on and state is State.FAILED and error is not None:
            output = error_value(error)
        node.output = output
        ran = state is State.SUCCEEDED or state is State.FAILED
        labels = self.taints.end(node, failed=state is State.FAILED) if ran else CLEAN
        ended = self._log.append(
            StepFinished(
                step_id=node.step.id,
                status=_STATUS[state],
                output=shown(output) if node.hands_on else None,
                error=error,
                taint=listed(labels) if labels else (),
            ),
            durable=not node.tool.effect.repeatable,
        )
        node.ended_seq = ended.seq
        for dependent in node.dependents:
            if node.hands_on:
                dependent.unmet -= 1
                if dependent.state is State.PENDING and can_start(dependent):
                    self.startable.append(dependent)
            elif not self.stopping:
                self._refuse(node, dependent)

    @staticmethod
    def _set_outcome(node: Node, *, over_budget: bool) -> None:
        """What the state of `node` means under its failure policy."""
        failed, policy = node.state is State.FAILED, node.step.on_failure
        node.hands_on = node.state is State.SUCCEEDED or (
            failed and policy is OnFailure.VALUE and not over_budget
        )
        node.fatal = failed and (over_budget or policy in _FATAL)
        node.can_be_replanned = failed and not over_budget and policy is OnFailure.REPLAN

    def _refuse(self, source: Node, first: Node) -> None:
        """`source` hands nothing on: neither `first` nor what depends on it can run."""
        blocked = source.state is State.BLOCKED or (source.fatal and source.can_be_replanned)
        pending = [(source, first)]  # a stack: the chain behind may be 10,000 steps long
        while pending:
            cause, node = pending.pop()
            if node.state not in (State.PENDING, State.HELD):
                continue
            if blocked:
                node.state = State.BLOCKED
            else:
                self._skip(node, cause)
            pending.extend((node, dependent) for dependent in node.dependents)

    def _skip(self, node: Node, cause: Node) -> None:
        node.by_condition = cause.by_condition
        node.state = State.SKIPPED
        how = "was skipped" if cause.state is State.SKIPPED else "did not succeed"
        code = "condition_not_met" if node.by_condition else "dependency_failed"
        node.error = ErrorInfo(code, f"it needs '{cause.step.id}', which {how}", node.step.id)
        self._log.append(StepFinished(step_id=node.step.id, status="skipped", error=node.error))

    # ---- the end of the run ----------------------------------------------------------------------

    def finish(self) -> None:
        """Give every remaining step its final state."""
        for node in list(self.nodes.values()):
            if node.state in FINAL:
                continue
            if self.stopping:
                self.end(node, State.CANCELLED, error=cancelled(node))
            elif node.state is State.BLOCKED:
                causes = (self.nodes[need] for need in node.step.needs)
                self._skip(node, next(cause for cause in causes if not cause.hands_on))
            else:
                waiting = self._waiting(node)
                node.state, node.error = State.WAITING, waiting
                self._log.append(
                    StepFinished(step_id=node.step.id, status="waiting", error=waiting)
                )

    def _waiting(self, node: Node) -> ErrorInfo:
        if node.waits is not None:
            return node.waits
        if node.in_doubt:
            open_calls = () if node.past is None else node.past.open_calls
            names = names_in_doubt(node.step.id, open_calls)
            what = "it was" if names == [node.step.id] else f"{in_words(names)}: each was"
            return ErrorInfo(
                "in_doubt",
                f"{what} cut short, and whether it took effect is not known: look, then resume "
                f"with --done {names[0]} or --redo {names[0]}",
                node.step.id,
            )
        if self.paused:
            return ErrorInfo("paused", "the run was paused before it could run", node.step.id)
        reason = "it waits for an approval, or for a step that waits"
        return ErrorInfo("approval_needed", reason, node.step.id)

    def unresolved(self) -> list[Node]:
        """The steps that failed with the policy `replan` and were not taken care of."""
        return [node for node in self.nodes.values() if node.fatal and node.can_be_replanned]

    def is_lost(self) -> bool:
        """Whether the run fails whatever a patch or an answer does."""
        return any(node.fatal and not node.can_be_replanned for node in self.nodes.values())

    def resolve(self, nodes: Iterable[Node]) -> None:
        """A patch or an answer takes care of the failure of `nodes`."""
        for node in nodes:
            node.fatal = False

    def first_failure(self) -> ErrorInfo | None:
        """The error of the first step, in the plan's order, that makes the run fail."""
        return next((node.error for node in self.nodes.values() if node.fatal), None)

    def started(self) -> set[str]:
        """The ids of the steps that a patch can no longer change."""
        return {id_ for id_, node in self.nodes.items() if _is_under_way(node) or _has_acted(node)}


def can_start(node: Node) -> bool:
    """Whether the inputs of `node` are there, or begin to come."""
    early = node.reads is not None and node.reads.streamed is not None
    return node.unmet == (1 if early else 0)


def _is_under_way(node: Node) -> bool:
    return node.state not in NOT_STARTED or node.in_doubt


def _has_acted(node: Node) -> bool:
    """Whether an earlier process has begun a call that may have had its effect."""
    past = node.past
    return past is not None and past.attempts > 0 and not node.tool.effect.repeatable


def is_over_budget(error: ErrorInfo | None) -> bool:
    """Whether a call was refused because the budget was used up: it has not begun."""
    return error is not None and error.code == "budget_exceeded"


def cancelled(node: Node) -> ErrorInfo:
    """The error of a step that was stopped."""
    return ErrorInfo("cancelled", "the run was stopped before it ended", node.step.id)


def error_value(error: ErrorInfo) -> JsonValue:
    """What the policy `value` hands on: `{"error": {"code", "message"}}`."""
    return {"error": {"code": error.code, "message": error.message}}
