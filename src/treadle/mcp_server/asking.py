"""Approvals by elicitation: what a person is shown, and what counts as a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.core.json_value import compact_json
from treadle.executor.approval import ApprovalRequest
from treadle.tools.mcp.scan.characters import spelled

if TYPE_CHECKING:
    from mcp_types import ElicitRequestFormParams, ElicitResult

_MOST_CALLS = 50
_LONGEST_ARGUMENTS = 600

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {
            "type": "boolean",
            "title": "Approve",
            "description": "Whether all of these calls may be made.",
        }
    },
    "required": ["approve"],
}


def form(request: ApprovalRequest) -> ElicitRequestFormParams:
    """The question, as a client shows it."""
    from mcp_types import ElicitRequestFormParams

    return ElicitRequestFormParams(message=wording(request), requested_schema=SCHEMA)


def wording(request: ApprovalRequest) -> str:
    """Every call that is to be approved, with its arguments, safe to print."""
    lines = [f"Treadle asks for approval of {len(request.calls):,} calls:"]
    for call in request.calls[:_MOST_CALLS]:
        arguments = spelled(compact_json(call.arguments))
        if len(arguments) > _LONGEST_ARGUMENTS:
            arguments = f"{arguments[:_LONGEST_ARGUMENTS]}… ({len(arguments):,} characters)"
        many = " for each item of a list" if call.for_each else ""
        why = "" if call.reason is None else f" ({spelled(call.reason)[:200]})"
        lines.append(f"- {call.step_id}: {call.tool} [{call.effect}]{many} {arguments}{why}")
    if len(request.calls) > _MOST_CALLS:
        lines.append(f"and {len(request.calls) - _MOST_CALLS:,} more")
    return "\n".join(lines)


def is_yes(answer: ElicitResult) -> bool:
    """Only an accepted form whose one field is true."""
    return answer.action == "accept" and (answer.content or {}).get("approve") is True
