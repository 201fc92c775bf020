"""Which calls of a run are approved: asks once per version of a plan, and remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from treadle.core.errors import RunError, ToolError
from treadle.core.event_log import EventLog
from treadle.core.events import ApprovalAnswered, ApprovalRequested, Payload
from treadle.core.json_value import JsonValue
from treadle.executor.approval import (
    ApprovalRequest,
    Approve,
    Decisions,
    PendingCall,
    needs_approval,
    pending_call,
)
from treadle.executor.calls import RunningCalls
from treadle.executor.graph import Graph
from treadle.executor.node import FINAL, Node, State
from treadle.planner.plan import Plan


class Approvals:
    """The decisions on the calls of `graph`.

    approve: who decides; None when there is nobody to ask.
    calls: where asking runs. decided: told after each decision, to start what was held.
    """

    def __init__(
        self,
        graph: Graph,
        log: EventLog,
        approve: Approve | None,
        calls: RunningCalls,
        decided: Callable[[], None],
    ) -> None:
        self._graph = graph
        self._log = log
        self._approve = approve
        self._calls = calls
        self._decided = decided
        self._decisions = Decisions()
        self._also: frozenset[str] = frozenset()

    def holds(self, node: Node) -> bool:
        """Whether `node` waits for a decision. Raises ToolError (`approval_denied`)."""
        if not self._asks(node) or node.step.id in self._decisions.approved:
            return False
        if node.step.id in self._decisions.denied:
            raise ToolError("approval_denied", "the call was not approved")
        return True

    def held_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for a decision, and for nothing else."""
        return tuple(pending_call(node) for node in self.held())

    def forget(self) -> None:
        """The plan has changed.

        Decisions are bound to its hash: another call, or another input of it, may stand behind
        the same id now.
        """
        self._decisions = Decisions()

    def restore(self, decisions: Decisions, also: Iterable[str] = ()) -> None:
        """What was decided in an earlier process, for the plan as it is now.

        also: steps that ask whatever their tools: another run has had their effects before.
        """
        self._decisions = decisions
        self._also = frozenset(also)
        for step_id, arguments in decisions.edited.items():
            self._edit(step_id, arguments.value)

    def request(self, plan: Plan) -> None:
        """Ask once for all calls of the plan that need it and were not decided on yet."""
        calls = self._open_calls()
        if not calls:
            return
        step_ids = tuple(call.step_id for call in calls)
        self._log.append(ApprovalRequested(plan_hash=plan.hash, step_ids=step_ids), durable=True)
        if self._approve is None:
            return
        approve = self._approve

        async def ask() -> None:
            approved = await approve(ApprovalRequest(self._log.run_id, plan.hash, calls))
            # Another process may have answered meanwhile, for all of them or for some.
            still = [each.step_id for each in calls if self._decisions.is_open(each.step_id)]
            if still and not self._graph.stopping:
                self._decide(still, approved, plan.hash)

        self._calls.start_timer(ask())

    def decide(self, plan: Plan, approved: bool) -> None:
        """A person has decided on all calls of the plan that were still open."""
        self._decide([each.step_id for each in self._open_calls()], approved, plan.hash)

    def answer(
        self,
        plan: Plan,
        step_id: str,
        approved: bool,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
    ) -> None:
        """A person has decided on one step, and may have changed its arguments.

        Raises RunError (`nothing_waits`) for a step that waits for no decision, `cannot_edit` for
        arguments of a fan-out, and ToolError for arguments that its tool does not take.
        """
        if step_id not in {each.step_id for each in self._open_calls()}:
            raise RunError("nothing_waits", f"step '{step_id}' waits for no decision")
        shown = None
        if arguments is not None and approved:
            node = self._graph.nodes[step_id]
            if node.step.for_each is not None:
                raise RunError("cannot_edit", f"'{step_id}' is a fan-out; approve it, or deny it")
            node.tool.signature.check(node.tool.name, arguments)
            self._edit(step_id, arguments)
            shown = Payload(arguments)
        self._decide([step_id], approved, plan.hash, reason, shown)

    def held(self) -> list[Node]:
        """The steps that have their inputs and wait, but not for a word about a doubt."""
        return [
            node
            for node in self._graph.nodes.values()
            if node.state is State.HELD and not node.in_doubt
        ]

    def _open_calls(self) -> tuple[PendingCall, ...]:
        return tuple(
            pending_call(node)
            for node in self._graph.nodes.values()
            if self._asks(node)
            and node.state not in FINAL
            and self._decisions.is_open(node.step.id)
        )

    def _asks(self, node: Node) -> bool:
        return needs_approval(node.tool) or node.step.id in self._also

    def _edit(self, step_id: str, arguments: JsonValue) -> None:
        if isinstance(arguments, dict) and step_id in self._graph.nodes:
            self._graph.nodes[step_id].edited = arguments

    def _decide(
        self,
        step_ids: Iterable[str],
        approved: bool,
        plan_hash: str,
        reason: str | None = None,
        arguments: Payload | None = None,
    ) -> None:
        answered = ApprovalAnswered(
            plan_hash=plan_hash,
            step_ids=tuple(step_ids),
            approved=approved,
            reason=reason,
            arguments=arguments,
        )
        self._log.append(answered, durable=True)
        self._decisions.take(answered.step_ids, approved, arguments)
        self._graph.startable.extend(self.held())
        self._decided()
