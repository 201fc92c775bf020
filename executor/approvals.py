"""Which calls of a run are approved: by code, and by persons, who are asked once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from treadle.core.errors import RunError, ToolError
from treadle.core.event_log import EventLog
from treadle.core.events import ApprovalAnswered
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.taint import in_words, listed
from treadle.executor.approval import (
    Approve,
    Decision,
    Decisions,
    PendingCall,
    Reply,
    check_edit,
    decisions_of,
    needs_approval,
)
from treadle.executor.approval_policy import UNTRUSTED, Ruling, Verdict, policy_of
from treadle.executor.awaiting import subject
from treadle.executor.calls import RunningCalls
from treadle.executor.graph import Graph
from treadle.executor.inputs import Inputs
from treadle.executor.node import FINAL, NOT_STARTED, Node, State
from treadle.executor.questions import Questions
from treadle.executor.rulings import Rulings, check_arguments, denied
from treadle.planner.plan import Plan
from treadle.tools.artifacts import ArtifactStore


class Approvals:
    """The decisions on the calls of `graph`.

    A person answers what the policy asks; what it denies nobody can allow.

    approve: a policy, or who decides; None when there is nobody to ask.
    calls: where asking runs. decided: told after each decision, to start what was held.
    """

    def __init__(
        self,
        graph: Graph,
        log: EventLog,
        inputs: Inputs,
        artifacts: ArtifactStore,
        approve: Approve | None,
        calls: RunningCalls,
        decided: Callable[[], None],
    ) -> None:
        self._graph = graph
        self._log = log
        self._decided = decided
        self._decisions = Decisions()
        self._plan: Plan | None = None
        self._noted: set[str] = set()
        policy = policy_of(approve)
        self._rulings = Rulings(policy, inputs, graph.taints)
        ask_with = approve if policy is None else policy.ask_with
        self._questions = Questions(log, artifacts, calls, ask_with, self._is_open, self._take)

    # ---- what may start ----------------------------------------------------------------------

    def holds(self, node: Node) -> bool:
        """Whether `node`, whose inputs are there, waits for a decision, or for the whole plan.

        Raises ToolError: `approval_denied`, and what its arguments raise.
        """
        if self._rulings.is_plain(node):
            return False
        self._drop_outdated(node)
        ruling = self._rulings.now(node)
        if ruling.verdict is Verdict.ALLOW:
            self._note([node], ruling)
            return False
        if self._plan is None:
            return True  # nothing is asked or refused before the plan is there
        if ruling.verdict is Verdict.DENY:
            self._note([node], ruling)
            raise denied(ruling)
        return not _has_begun(node) and self._waits(node, ruling)

    def wants_all(self, node: Node) -> bool:
        """Whether `node` reads a stream whose items must all be there to decide on it."""
        return (
            node.unmet > 0
            and self._rulings.policy is not None
            and self._rulings.early(node) is None
        )

    def _waits(self, node: Node, ruling: Ruling) -> bool:
        step_id = node.step.id
        if step_id in self._decisions.approved:
            return False
        if step_id in self._decisions.denied:
            reason = self._decisions.denied[step_id]
            raise ToolError(
                "approval_denied", "the call was not approved" + (f": {reason}" if reason else "")
            )
        if not self._questions.was_asked(step_id):
            input_hash = self._input_hash(node)
            if input_hash is not None:
                self._decisions.inputs[step_id] = input_hash
            self._questions.add(self._shown(node, ruling), input_hash)
        return True

    def _drop_outdated(self, node: Node) -> None:
        """A decision on a step that was shown with other inputs is none."""
        before = self._decisions.inputs.get(node.step.id)
        if self._is_open(node.step.id):
            return
        if before is None and self._rulings.labels(node):
            # It was agreed to before anybody knew that it would hold what is not trusted.
            self._decisions.drop(node.step.id)
            self._questions.withdraw(node.step.id)
            return
        if before is None:
            return
        if self._rulings.hash_of(node) != before:
            self._decisions.drop(node.step.id)
            self._rulings.forget(node.step.id)
            node.edited = None

    # ---- the plan ----------------------------------------------------------------------------

    def forget(self) -> None:
        """The plan has changed.

        Decisions are bound to its hash: another call, or another input of it, may stand behind
        the same id now.
        """
        self._decisions = Decisions()
        self._plan = None
        self._rulings.forget()
        self._questions.forget()
        self._noted.clear()

    def restore(self, decisions: Decisions, also: Iterable[str] = ()) -> None:
        """What persons decided in an earlier process, for the plan as it is now.

        also: steps that ask whatever their tools: another run has had their effects before.
        """
        self._decisions = decisions
        self._rulings.also = frozenset(also)
        for step_id, arguments in decisions.edited.items():
            self._edit(step_id, arguments.value)

    def request(self, plan: Plan) -> None:
        """The plan is complete: decide what code decides, ask once for all that asks.

        Where it takes inputs that are not there yet, `holds` decides, and asks.
        """
        self._plan = plan
        self._rulings.foresee()
        asks: list[PendingCall] = []
        hashes: dict[str, str] = {}
        ruled: dict[Ruling, list[Node]] = {}
        for node in self._graph.nodes.values():
            if node.state not in NOT_STARTED or self._rulings.is_plain(node):
                continue
            ruling = self._rulings.early(node)
            if ruling is None:
                continue
            if ruling.verdict is not Verdict.ASK:
                ruled.setdefault(ruling, []).append(node)
            elif self._is_open(node.step.id) and not _has_begun(node):
                asks.append(self._shown(node, ruling))
                if (input_hash := self._input_hash(node)) is not None:
                    hashes[node.step.id] = input_hash
                    self._decisions.inputs[node.step.id] = input_hash
        for ruling, nodes in ruled.items():
            self._note(nodes, ruling)
        self._questions.begin(plan, asks, hashes)

    def _note(self, nodes: list[Node], ruling: Ruling) -> None:
        """Record what code has decided, where that is another thing than without any policy."""
        allowed = ruling.verdict is Verdict.ALLOW
        step_ids = tuple(
            node.step.id
            for node in nodes
            if node.step.id not in self._noted
            and (not allowed or needs_approval(node.tool) or self._rulings.labels(node))
        )
        if step_ids and self._plan is not None:
            self._noted.update(step_ids)
            self._log.append(
                ApprovalAnswered(
                    plan_hash=self._plan.hash,
                    step_ids=step_ids,
                    approved=allowed,
                    reason=ruling.reason,
                    by="policy",
                ),
                durable=True,
            )

    # ---- what persons say --------------------------------------------------------------------

    def held_calls(self) -> tuple[PendingCall, ...]:
        """The calls that wait for a decision, and for nothing else."""
        held = {node.step.id for node in self.held()}
        return tuple(call for call in self.open_calls() if call.step_id in held)

    def held(self) -> list[Node]:
        """The steps that have their inputs and wait, but not for a word about a doubt."""
        return [
            node
            for node in self._graph.nodes.values()
            if node.state is State.HELD and not node.in_doubt
        ]

    def decide(self, plan: Plan, reply: Reply) -> None:
        """A person has decided on the calls of the plan that were still open, or some of them.

        Raises what `decisions_of` does.
        """
        self._take(plan, decisions_of(reply, self.open_calls()))

    def answer(
        self,
        plan: Plan,
        step_id: str,
        approved: bool,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
        about: str | None = None,
    ) -> None:
        """A person has decided on one step, and may have changed its arguments.

        about: the plan, and the inputs, that the person has seen, as `subject` writes them.

        Raises RunError (`nothing_waits`) for a step that waits for no decision, or where it is
        about something else now; `cannot_edit` for arguments of a fan-out; and ToolError for
        arguments that its tool does not take or the policy denies.
        """
        call = self._call(step_id)
        if call is None:
            raise RunError("nothing_waits", f"step '{step_id[:80]}' waits for no decision")
        now = self._input_hash(self._graph.nodes[step_id])
        if about is not None and about != subject(plan.hash, now):
            raise RunError("nothing_waits", f"'{step_id}' is another call now: look at it again")
        decision = Decision(approved, reason, arguments if approved else None)
        if decision.arguments is not None:
            check_edit(call, decision)
        self._take(plan, {step_id: decision})

    def _call(self, step_id: str) -> PendingCall | None:
        """The call of a step that a person may decide on, asked about yet or not; None if none."""
        node = self._graph.nodes.get(step_id)
        if node is None or node.state not in NOT_STARTED or _has_begun(node):
            return None
        if not self._is_open(step_id):
            return None
        ruling = self._rulings.early(node)
        if ruling is None and node.unmet == 0:
            ruling = self._rulings.now(node)
        if ruling is None or ruling.verdict is not Verdict.ASK:
            return None
        return self._shown(node, ruling)

    def open_calls(self) -> list[PendingCall]:
        """The calls that were asked about and are not decided on, whatever else they wait for."""
        nodes = self._graph.nodes
        return [
            call
            for call in self._questions.open_calls()
            if call.step_id in nodes and nodes[call.step_id].state not in FINAL
        ]

    def _take(self, plan: Plan, decided: Mapping[str, Decision]) -> None:
        if self._graph.stopping or not decided:
            return
        groups: dict[tuple[bool, str | None], list[str]] = {}
        for step_id, decision in decided.items():
            if decision.arguments is None:
                groups.setdefault((decision.approved, decision.reason), []).append(step_id)
            else:
                self._edit(step_id, decision.arguments)
                self._record(plan, [step_id], decision)
        for (approved, reason), step_ids in groups.items():
            self._record(plan, step_ids, Decision(approved, reason))
        self._questions.answered()
        self._graph.startable.extend(self.held())
        self._decided()

    def _record(self, plan: Plan, step_ids: list[str], decision: Decision) -> None:
        arguments = None if decision.arguments is None else Payload(decision.arguments)
        answered = ApprovalAnswered(
            plan_hash=plan.hash,
            step_ids=tuple(step_ids),
            approved=decision.approved,
            reason=decision.reason,
            arguments=arguments,
        )
        self._log.append(answered, durable=True)
        self._decisions.take(step_ids, decision.approved, arguments, decision.reason)

    def _edit(self, step_id: str, arguments: JsonValue) -> None:
        if isinstance(arguments, dict) and step_id in self._graph.nodes:
            self._graph.nodes[step_id].edited = arguments
            self._rulings.forget(step_id)

    def _is_open(self, step_id: str) -> bool:
        return self._decisions.is_open(step_id)

    def _input_hash(self, node: Node) -> str | None:
        """Of the inputs with which `node` is shown; None where that is in wire form."""
        return None if node.agreed is None else self._rulings.hash_of(node)

    def _shown(self, node: Node, ruling: Ruling) -> PendingCall:
        step, each = node.step, node.step.for_each is not None
        known = self._rulings.resolved(node)
        labels = self._rulings.labels(node)
        reasons = (ruling.reason if ruling.reason != UNTRUSTED or not labels else None,
                   f"it {in_words(labels)}" if labels else None)  # fmt: skip
        return PendingCall(
            step.id,
            step.tool,
            node.tool.effect,
            known[0] if known and not each else step.args,
            for_each=each,
            resolved=known is not None,
            items=tuple(known) if known and each else (),
            reason="; ".join(each for each in reasons if each) or None,
            taint=listed(labels),
            check=lambda arguments: check_arguments(node.tool, arguments, self._rulings.policy),
        )


def _has_begun(node: Node) -> bool:
    """Whether an earlier process was at it when it ended: it was approved then, and cannot have
    been patched since."""
    past = node.past
    return past is not None and bool(past.open_calls or past.items)
