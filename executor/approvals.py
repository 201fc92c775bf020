"""Which calls of a run are approved: asks once per version of a plan, and remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from treadle.core.errors import ToolError
from treadle.core.event_log import EventLog
from treadle.core.events import ApprovalAnswered, ApprovalRequested
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

    def holds(self, node: Node) -> bool:
        """Whether `node` waits for a decision. Raises ToolError (`approval_denied`)."""
        if not needs_approval(node.tool.effect) or node.step.id in self._decisions.approved:
            return False
        if node.step.id in self._decisions.denied:
            raise ToolError("approval_denied", "the call was not approved")
        return True

    def held_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for a decision, and for nothing else."""
        return tuple(pending_call(node) for node in self._held())

    def forget(self) -> None:
        """The plan has changed.

        Decisions are bound to its hash: another call, or another input of it, may stand behind
        the same id now.
        """
        self._decisions = Decisions()

    def request(self, plan: Plan) -> None:
        """Ask once for all calls of the plan that need it and were not decided on yet."""
        calls = self._open_calls()
        if not calls:
            return
        step_ids = tuple(call.step_id for call in calls)
        self._log.append(ApprovalRequested(plan_hash=plan.hash, step_ids=step_ids))
        if self._approve is None:
            return
        approve = self._approve

        async def ask() -> None:
            approved = await approve(ApprovalRequest(self._log.run_id, plan.hash, calls))
            if not self._graph.stopping:
                self._decide(calls, approved, plan.hash)

        self._calls.start_timer(ask())

    def decide(self, plan: Plan, approved: bool) -> None:
        """A person has decided on all calls of the plan that were still open."""
        self._decide(self._open_calls(), approved, plan.hash)

    def _held(self) -> list[Node]:
        return [node for node in self._graph.nodes.values() if node.state is State.HELD]

    def _open_calls(self) -> tuple[PendingCall, ...]:
        return tuple(
            pending_call(node)
            for node in self._graph.nodes.values()
            if needs_approval(node.tool.effect)
            and node.state not in FINAL
            and self._decisions.is_open(node.step.id)
        )

    def _decide(self, calls: Iterable[PendingCall], approved: bool, plan_hash: str) -> None:
        step_ids = tuple(call.step_id for call in calls)
        self._log.append(
            ApprovalAnswered(plan_hash=plan_hash, step_ids=step_ids, approved=approved)
        )
        self._decisions.take(step_ids, approved)
        self._graph.startable.extend(self._held())
        self._decided()
