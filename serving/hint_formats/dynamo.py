"""What NVIDIA Dynamo takes: `nvext.agent_hints`, and headers that name the session.

After its documentation (Agent Hints, Session IDs; 1.3 to 1.6). `nvext.session_control`, which an
early version had, was given up there for the headers, and is refused by some versions: it is not
sent; nor is `latency_sensitivity`, which they do not name. What else the hint knows has no field.
"""

from __future__ import annotations

from treadle.core.program import ProgramHint
from treadle.serving.hint_formats.session import header_value

HIGHEST_PRIORITY = 10
"""Of a call that ends its program."""


def fields(hint: ProgramHint) -> dict[str, object]:
    """`nvext.agent_hints`; empty where the hint knows nothing of what it has fields for.

    priority: higher for the programs that have less to do, so that the shortest remaining work
    goes first. speculative_prefill: asks Dynamo to prefill what an agent's next call begins with;
    only agents go on with the same prompt.
    """
    hints: dict[str, object] = {}
    if hint.remaining_calls is not None:
        hints["priority"] = HIGHEST_PRIORITY // (1 + max(0, hint.remaining_calls))
    if hint.purpose == "agent" and hint.remaining_calls:
        hints["speculative_prefill"] = True
    return {"nvext": {"agent_hints": hints}} if hints else {}


def headers(hint: ProgramHint) -> dict[str, str]:
    """The session is what goes on with one prompt: a branch of the program, else its trunk."""
    program = header_value(hint.program_id)
    named = {"x-dynamo-session-id": program}
    if hint.step_id is not None:
        named["x-dynamo-session-id"] = f"{program}/{header_value(hint.step_id)}"
        named["x-dynamo-parent-session-id"] = program
    if hint.last_call:
        named["x-dynamo-session-final"] = "true"
    return named
