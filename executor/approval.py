"""Approval: which calls a person must agree to before they happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from treadle.core.events import Payload
from treadle.core.json_value import JsonValue
from treadle.tools import Effect, Tool

if TYPE_CHECKING:
    from treadle.executor.node import Node


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
    edited: dict[str, Payload] = field(default_factory=dict)

    def is_open(self, step_id: str) -> bool:
        """Whether nobody has decided on this step."""
        return step_id not in self.approved and step_id not in self.denied

    def take(
        self, step_ids: Iterable[str], approved: bool, arguments: Payload | None = None
    ) -> None:
        """Note one decision on several steps; `arguments` replace those of a single one."""
        (self.approved if approved else self.denied).update(step_ids)
        if arguments is not None:
            self.edited.update(dict.fromkeys(step_ids, arguments))


Approve: TypeAlias = Callable[[ApprovalRequest], Awaitable[bool]]
"""Who decides. True runs the calls, False fails them with `approval_denied`."""


async def approve_all(request: ApprovalRequest) -> bool:
    """The policy that agrees to everything; what `--yes` stands for."""
    return True


def pending_call(node: Node) -> PendingCall:
    """What is shown of the call of `node`."""
    step = node.step
    return PendingCall(step.id, step.tool, node.tool.effect, step.args, step.for_each is not None)


def needs_approval(tool: Tool) -> bool:
    """Whether a call of `tool` asks: everything that changes the world and cannot be undone."""
    return not tool.effect.repeatable and (tool.undo is None or tool.effect is Effect.IRREVERSIBLE)
