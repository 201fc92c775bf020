"""Approval: which calls a person must agree to before they happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from treadle.core.json_value import JsonValue
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


Approve: TypeAlias = Callable[[ApprovalRequest], Awaitable[bool]]
"""Who decides. True runs the calls, False fails them with `approval_denied`."""


async def approve_all(request: ApprovalRequest) -> bool:
    """The policy that agrees to everything; what `--yes` stands for."""
    return True


def needs_approval(effect: Effect) -> bool:
    """Whether a call of this class asks: everything that changes the world.

    Nothing can be undone yet, so that a write asks like an irreversible call.
    """
    return not effect.repeatable
