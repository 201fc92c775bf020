"""What the policy says of the steps of one plan, as early as that can be known."""

from __future__ import annotations

from treadle.core.errors import ToolError
from treadle.core.taint import Labels
from treadle.executor.approval import Arguments, needs_approval
from treadle.executor.approval_policy import (
    ApprovalPolicy,
    Ruling,
    Verdict,
    default_ruling,
    most_severe,
)
from treadle.executor.inputs import Inputs
from treadle.executor.node import Node
from treadle.executor.step_key import input_hash
from treadle.executor.taints import Taints
from treadle.planner.reference import references, resolve
from treadle.tools import Tool

_ALLOWED = Ruling(Verdict.ALLOW)
_AGAIN = Ruling(Verdict.ASK, "another run has had this effect before")


class Rulings:
    """Applies `policy` to steps; None stands for the rule that is there without any.

    A fan-out gets the most severe ruling that one of its calls would get. What untrusted sources
    have a part in is ruled on when it is known, and shown as it is.
    """

    def __init__(self, policy: ApprovalPolicy | None, inputs: Inputs, taints: Taints) -> None:
        self.policy = policy
        self._taints = taints
        self._foreseen: frozenset[str] = frozenset()
        self.also: frozenset[str] = frozenset()
        """Steps that ask whatever the policy allows."""
        self._inputs = inputs
        self._found: dict[tuple[str, bool], Ruling] = {}

    def forget(self, step_id: str | None = None) -> None:
        """The plan has changed, or the arguments of this step have."""
        if step_id is None:
            self._found.clear()
        else:
            for tainted in (False, True):
                self._found.pop((step_id, tainted), None)

    def foresee(self) -> None:
        """The plan is complete: whose arguments will carry labels is known, as far as it can be."""
        self._foreseen = self._taints.foreseen()

    def labels(self, node: Node) -> Labels:
        """The labels of what would reach a sink with `node`; none where a person wrote it."""
        if not node.tool.is_sink or node.edited is not None:
            return frozenset()
        return self._taints.of_arguments(node)

    def is_plain(self, node: Node) -> bool:
        """Whether nothing has to be looked at: the call runs."""
        if self.policy is not None or self.also or needs_approval(node.tool):
            return False
        return not (node.tool.is_sink and (self._foresees(node) or self.labels(node)))

    def _foresees(self, node: Node) -> bool:
        return node.step.id in self._foreseen and node.edited is None

    def now(self, node: Node) -> Ruling:
        """What becomes of `node`, whose inputs are there.

        Raises ToolError for arguments that cannot be resolved or do not fit.
        """
        tainted = bool(self.labels(node))
        if tainted:
            self.hash_of(node)  # what is shown is what may run
        found = self._of(node, known=True, tainted=tainted)
        assert found is not None
        return found

    def early(self, node: Node) -> Ruling | None:
        """What becomes of `node`; None where that takes inputs that are not there yet."""
        if node.tool.is_sink and self._foresees(node) and node.unmet:
            return None  # whoever is asked is to see what it has come to
        try:
            # A step that is held has its inputs.
            tainted = not node.unmet and bool(self.labels(node))
            if tainted:
                self.hash_of(node)
            return self._of(node, known=False, tainted=tainted)
        except ToolError:
            return None  # it fails with that when its turn comes

    def hash_of(self, node: Node) -> str:
        """Of the resolved arguments of all calls of `node`; no others may run from now on."""
        if node.agreed is None:
            node.agreed = {
                index: input_hash(each) for index, each in self._inputs.calls(node).items()
            }
        return input_hash([[index, each] for index, each in node.agreed.items()])

    def resolved(self, node: Node) -> list[Arguments] | None:
        """The arguments of the calls of `node`, where a ruling has looked at them."""
        return None if node.agreed is None else list(self._inputs.calls(node).values())

    def _of(self, node: Node, *, known: bool, tainted: bool) -> Ruling | None:
        found = self._found.get((node.step.id, tainted))
        if found is None:
            found = self._rule(node, known, tainted)
            if found is None:
                return None
            if node.step.id in self.also:
                found = most_severe((found, _AGAIN))
            self._found[node.step.id, tainted] = found
        return found

    def _rule(self, node: Node, known: bool, tainted: bool) -> Ruling | None:
        policy, tool = self.policy, node.tool
        if policy is None:
            return default_ruling(tool, untrusted=tainted)
        found = policy.ruling(tool, None, untrusted=tainted)
        if found is not None:
            return found
        given = node.edited or _literal(node)
        if given is not None:
            return policy.ruling(tool, given, untrusted=tainted)
        return self._rule_each(node, policy, tainted) if known else None

    def _rule_each(self, node: Node, policy: ApprovalPolicy, tainted: bool) -> Ruling:
        self.hash_of(node)  # what is ruled on is what may run
        worst: Ruling | None = None
        for arguments in self._inputs.calls(node).values():
            try:
                found = policy.ruling(node.tool, arguments, untrusted=tainted)
                worst = most_severe((worst, found))
            except ToolError:
                if node.step.for_each is None:
                    raise
                # This item fails, with the same error, when its turn comes.
        return worst or _ALLOWED


def check_arguments(tool: Tool, arguments: Arguments, policy: ApprovalPolicy | None) -> None:
    """Raises ToolError for arguments that `tool` does not take, or `policy` denies."""
    tool.signature.check(tool.name, arguments)
    ruling = None if policy is None else policy.ruling(tool, arguments)
    if ruling is not None and ruling.verdict is Verdict.DENY:
        raise denied(ruling)


def denied(ruling: Ruling) -> ToolError:
    """The error of a call that the policy refuses."""
    return ToolError("approval_denied", f"denied by policy: {ruling.reason or 'never allowed'}")


def _literal(node: Node) -> Arguments | None:
    """The arguments where no reference is in them; the same for all items then."""
    members = node.step.arguments.members
    if any(True for _, value in members for _ in references(value)):
        return None
    return {name: resolve(value, _nothing) for name, value in members}


def _nothing(name: str) -> None:
    raise AssertionError(f"no reference, and yet '{name}' was looked up")
