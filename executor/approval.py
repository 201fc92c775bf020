"""Approval: which calls a person must agree to before they happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from treadle.core.json_value import JsonValue
from treadle.executor.node import Node
from treadle.tools import Effect


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that waits for a decision; `arguments` are in wire form, references as text."""

    step_id: str
    tool: str
    effect: Effect
    arguments: dict[str, JsonValue]
    for_each: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """Everything in one plan that needs approval; bound to the plan by its hash."""

    run_id: str
    plan_hash: str
    calls: tuple[PendingCall, ...]


@dataclass(slots=True)
class Decisions:
    """What was decided, by step id."""

    approved: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)

    def is_open(self, step_id: str) -> bool:
        """Whether nobody has decided on this step."""
        return step_id not in self.approved and step_id not in self.denied

    def take(self, step_ids: Iterable[str], approved: bool) -> None:
        """Note one decision on several steps."""
        (self.approved if approved else self.denied).update(step_ids)


Approve: TypeAlias = Callable[[ApprovalRequest], Awaitable[bool]]
"""Who decides. True runs the calls, False fails them with `approval_denied`."""


async def approve_all(request: ApprovalRequest) -> bool:
    """The policy that agrees to everything; what `--yes` stands for."""
    return True


def pending_call(node: Node) -> PendingCall:
    """What is shown of the call of `node`."""
    step = node.step
    return PendingCall(step.id, step.tool, node.tool.effect, step.args, step.for_each is not None)


def needs_approval(effect: Effect) -> bool:
    """Whether a call of this class asks: everything that changes the world.

    Nothing can be undone yet, so that a write asks like an irreversible call.
    """
    return not effect.repeatable
