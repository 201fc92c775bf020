"""Approval: which calls a person must agree to before they happen, and what a person answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from treadle.core.errors import RunError
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.tools import Effect, Tool

Arguments: TypeAlias = dict[str, JsonValue]


def _fits(arguments: Arguments) -> None:
    """Where nothing is known of the tool, everything fits."""


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that waits for a decision.

    arguments: in wire form, references as text; with `resolved`, what the call really gets.
    for_each: whether there is one call for each item of a list. items: their arguments, where they
        are known; `arguments` stay in wire form then.
    reason: why a policy asks, where it says so.
    taint: the untrusted sources that its arguments have come from, as labels.
    """

    step_id: str
    tool: str
    effect: Effect
    arguments: Arguments
    for_each: bool = False
    resolved: bool = False
    items: tuple[Arguments, ...] = ()
    reason: str | None = None
    check: Callable[[Arguments], None] = field(default=_fits, repr=False, compare=False)
    """Raises TreadleError for arguments that cannot be put in place of these."""
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """Everything in one plan that needs approval; bound to the plan by its hash."""

    run_id: str
    plan_hash: str
    calls: tuple[PendingCall, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says of one call; `arguments` replace those of a call that is approved."""

    approved: bool
    reason: str | None = None
    arguments: Arguments | None = None


Reply: TypeAlias = bool | Mapping[str, Decision]
"""One answer for all calls of a request, or one each, by step id; what it leaves out stays open."""

Approve: TypeAlias = Callable[[ApprovalRequest], Awaitable[Reply]]
"""Who decides. True runs the calls, False fails them with `approval_denied`."""


@dataclass(slots=True)
class Decisions:
    """What persons decided, by step id.

    inputs: the hash of the inputs with which a step was shown, where they were known then.
    """

    approved: set[str] = field(default_factory=set)
    denied: dict[str, str | None] = field(default_factory=dict)
    edited: dict[str, Payload] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    def is_open(self, step_id: str) -> bool:
        """Whether nobody has decided on this step."""
        return step_id not in self.approved and step_id not in self.denied

    def take(
        self,
        step_ids: Iterable[str],
        approved: bool,
        arguments: Payload | None = None,
        reason: str | None = None,
    ) -> None:
        """Note one decision on several steps; `arguments` replace those of a single one."""
        if approved:
            self.approved.update(step_ids)
        else:
            self.denied.update(dict.fromkeys(step_ids, reason))
        if arguments is not None:
            self.edited.update(dict.fromkeys(step_ids, arguments))

    def ask(self, step_ids: Iterable[str], inputs: Mapping[str, str] | None) -> None:
        """Note that somebody was asked, and what was shown then."""
        for step_id in step_ids:
            self.inputs.pop(step_id, None)
        self.inputs.update(inputs or {})

    def drop(self, step_id: str) -> None:
        """The decision on this step is void: it was about other inputs."""
        self.approved.discard(step_id)
        self.denied.pop(step_id, None)
        self.edited.pop(step_id, None)
        self.inputs.pop(step_id, None)


async def approve_all(request: ApprovalRequest) -> bool:
    """The policy that agrees to everything; what `--yes` stands for."""
    return True


def decisions_of(reply: Reply, calls: Iterable[PendingCall]) -> dict[str, Decision]:
    """What `reply` says of each of `calls`, by step id.

    Only True is a yes. Raises RunError (`bad_decision`) for a decision about none of them or with
    arguments of a call that is denied, `cannot_edit` for arguments of a fan-out, and what the
    check of edited arguments raises.
    """
    asked = {call.step_id: call for call in calls}
    if not isinstance(reply, Mapping):
        return dict.fromkeys(asked, Decision(reply is True))
    for step_id, decision in reply.items():
        if step_id not in asked or not isinstance(decision, Decision):
            raise RunError(
                "bad_decision", f"'{str(step_id)[:80]}': decide with a Decision on steps asked for"
            )
        if decision.arguments is not None:
            check_edit(asked[step_id], decision)
    return dict(reply)


def check_edit(call: PendingCall, decision: Decision) -> None:
    """Refuse arguments that cannot take the place of those of `call`; see `decisions_of`."""
    assert decision.arguments is not None
    if not decision.approved:
        raise RunError("bad_decision", f"'{call.step_id}' is denied; new arguments mean nothing")
    if call.for_each:
        raise RunError("cannot_edit", f"'{call.step_id}' is a fan-out; approve it, or deny it")
    call.check(decision.arguments)


def needs_approval(tool: Tool) -> bool:
    """Whether a call of `tool` asks, or is refused, by itself.

    As the tool itself says; else everything that changes the world and cannot be undone.
    """
    if tool.approval is not None:
        return tool.approval != "allow"
    return not tool.effect.repeatable and (tool.undo is None or tool.effect is Effect.IRREVERSIBLE)
