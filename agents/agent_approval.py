"""Whether a call that an agent's model asks for may be made."""

from __future__ import annotations

import asyncio
from typing import Any

from treadle.agents.runs.scope import current_scope
from treadle.core.errors import ToolError
from treadle.core.events import ApprovalAnswered, PlanReady
from treadle.core.program import Program
from treadle.core.taint import CLEAN, Labels, in_words, listed
from treadle.executor.approval import (
    ApprovalRequest,
    Approve,
    PendingCall,
    Reply,
    decisions_of,
)
from treadle.executor.approval_policy import (
    UNTRUSTED,
    Ruling,
    Verdict,
    default_ruling,
    most_severe,
    policy_of,
)
from treadle.executor.rulings import check_arguments, denied
from treadle.tools import Tool


async def approved_with_the_plan(request: ApprovalRequest) -> bool:
    """The plan that has this agent's step was approved with the agent's effects in view."""
    return True


async def admitted(
    wanted: Tool,
    arguments: dict[str, Any],
    approve: Approve | None,
    program: Program | None,
    labels: Labels = CLEAN,
) -> dict[str, Any]:
    """The arguments to call `wanted` with: these, or what a person puts in their place.

    The policy of the run holds for the calls of its agents as it does for steps: what it denies is
    denied, whoever has approved the agent. What a rule of it asks is asked; where nobody can be,
    the approval of the agent's own step by a person counts.

    approve: decides on what asks; None when there is nobody to ask.
    labels: the untrusted sources of what the agent's model has read. Where there are any, a call
        with effects or into the open world asks: that the agent's step was approved is not enough,
        for nobody knew then what it would read.

    Raises ToolError (`approval_needed`, `approval_denied`, `invalid_arguments`), RunError for a
    decision that is none, and whatever `approve` raises.
    """
    scope = current_scope()
    outer, own = policy_of(None if scope is None else scope.approve), policy_of(approve)
    untrusted = bool(labels) and wanted.is_sink
    ruled = [
        each.ruling(wanted, arguments, untrusted=untrusted)
        for each in (outer, own)
        if each is not None
    ]
    ruling = most_severe(ruled) if ruled else default_ruling(wanted, untrusted=untrusted)
    if ruling.verdict is Verdict.DENY:
        raise denied(ruling)
    if ruling.verdict is Verdict.ALLOW:
        return arguments
    of_run = approve is approved_with_the_plan
    if of_run:
        if not ruling.by_rule:
            return arguments
        around = None if scope is None else scope.approve
        approve = outer.ask_with if outer is not None else around if untrusted else None
        if approve is None and not untrusted and _step_was_approved(program):
            return arguments
    why = f"what it would be called with {in_words(labels)}" if untrusted else "it changes things"
    needed = ToolError("approval_needed", f"'{wanted.name}': {why}; nobody may agree here")
    if approve is None:
        raise needed
    pending = PendingCall(
        "agent",
        wanted.name,
        wanted.effect,
        arguments,
        resolved=True,
        reason=_reason(ruling, labels if untrusted else CLEAN),
        taint=listed(labels) if untrusted else (),
        check=lambda edited: check_arguments(wanted, edited, outer or own),
    )
    run_id = "" if program is None else program.run_id
    request = ApprovalRequest(run_id, "", (pending,))
    reply = await (_ask(approve, request, program) if of_run else approve(request))
    decision = decisions_of(reply, request.calls).get("agent")
    if decision is None:
        raise needed
    if not decision.approved:
        why = "" if decision.reason is None else f": {decision.reason}"
        raise ToolError("approval_denied", f"the call of '{wanted.name}' was not approved{why}")
    return arguments if decision.arguments is None else dict(decision.arguments)


def _reason(ruling: Ruling, labels: Labels) -> str | None:
    own = None if ruling.reason == UNTRUSTED else ruling.reason
    shown = f"it {in_words(labels)}" if labels else None
    return "; ".join(each for each in (own, shown) if each) or None


async def _ask(approve: Approve, request: ApprovalRequest, program: Program | None) -> Reply:
    loop = None if program is None else program.log.loop
    if loop is None or loop is asyncio.get_running_loop():
        return await approve(request)
    # In a thread: whoever is asked belongs to the thread of the run's event loop.
    return await asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(_reply(approve, request), loop)
    )


async def _reply(approve: Approve, request: ApprovalRequest) -> Reply:
    return await approve(request)


def _step_was_approved(program: Program | None) -> bool:
    """Whether a person has approved the step, of the plan as it is, that the agent works for."""
    for event in reversed([] if program is None else program.log.events):
        match event:
            case PlanReady():
                return False
            case ApprovalAnswered(approved=True, by="person", step_ids=step_ids):
                if program is not None and program.step_id in step_ids:
                    return True
    return False
