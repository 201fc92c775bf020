"""Answers to approvals that are left in the journal, for whoever holds the run, now or later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from treadle.core.errors import RunError
from treadle.core.json_value import JsonValue
from treadle.executor.approval import Decision, PendingCall, check_edit
from treadle.executor.approval_policy import ApprovalPolicy
from treadle.executor.awaiting import awaiting_approval
from treadle.executor.history import History
from treadle.executor.rulings import check_arguments
from treadle.tools import Effect, ToolRegistry

if TYPE_CHECKING:
    from treadle.executor.journal import Journal
    from treadle.planner.plan import Plan


async def leave_answers(
    journal: Journal,
    run_id: str,
    decisions: Mapping[str, Decision],
    tools: ToolRegistry | None = None,
    policy: ApprovalPolicy | None = None,
) -> None:
    """Leave `decisions`, by step id, about what the run asks now: the plan and, where they were
    shown, the inputs. If it has changed when the answer is taken, it is no answer.

    tools, policy: what new arguments are checked against; None where that is left to the run.

    Raises RunError (`run_not_found`, `nothing_waits`, `bad_decision`, `cannot_edit`), and
    ToolError for arguments that do not fit. Nothing is left then.
    """
    events = await journal.events(run_id)
    waiting = awaiting_approval(events)
    for step_id in decisions:
        if step_id not in waiting:
            listed = ", ".join(list(waiting)[:10]) or "none does"
            raise RunError(
                "nothing_waits", f"step '{step_id[:80]}' waits for no approval (waiting: {listed})"
            )
    plan = History(events).plan
    for step_id, decision in decisions.items():
        if plan is not None and decision.arguments is not None:
            check_edit(_call(plan, step_id, tools, policy), decision)
    for step_id, decision in decisions.items():
        body: dict[str, JsonValue] = {
            "step": step_id,
            "approved": decision.approved,
            "about": waiting[step_id],
        }
        if decision.reason is not None:
            body["reason"] = decision.reason
        if decision.arguments is not None:
            body["arguments"] = decision.arguments
        await journal.ask(run_id, "answer", body)


def _call(
    plan: Plan, step_id: str, tools: ToolRegistry | None, policy: ApprovalPolicy | None
) -> PendingCall:
    step = plan[step_id]
    if tools is None:
        tools = ToolRegistry()
    if step.tool not in tools:
        # Whoever goes on with the run has its tools, and looks.
        return PendingCall(step_id, step.tool, Effect.WRITE, step.args, step.for_each is not None)
    tool = tools[step.tool]
    return PendingCall(
        step_id,
        step.tool,
        tool.effect,
        step.args,
        step.for_each is not None,
        check=lambda arguments: check_arguments(tool, arguments, policy),
    )
