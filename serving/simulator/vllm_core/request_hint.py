"""A simulated call's hint, as it stands in vLLM's extra arguments on the wire."""

from __future__ import annotations

from treadle.serving.hints import PREFIX
from treadle.serving.simulator.engine import Request


def request_hint(request: Request) -> dict[str, str | float]:
    """What a client says of `request`; its tools are left to `InformedPolicy`."""
    call = request.call
    known: dict[str, str | float | None] = {
        "program_id": call.program_id,
        "branch": call.branch or None,
        "remaining_calls": call.remaining_calls,
        "remaining_seconds": call.remaining_seconds,
        "tenant": call.tenant or None,
        "last_call": int(request.last),
    }
    return {PREFIX + name: value for name, value in known.items() if value is not None}
