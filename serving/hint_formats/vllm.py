"""What vLLM takes: extra arguments for the scheduler, and the name of a session."""

from __future__ import annotations

from treadle.core.program import ProgramHint
from treadle.serving.hint_formats.flat import PREFIX, flat


def fields(hint: ProgramHint) -> dict[str, object]:
    """`vllm_xargs`, which vLLM hands to the scheduler as it stands, and its own `session_id`.

    The extra arguments must be flat: a nested object is refused with 400. `session_id` (from vLLM
    0.32; older versions ignore it) tells the program where our scheduler does not run.
    """
    named = {PREFIX + name: value for name, value in flat(hint).items()}
    return {"vllm_xargs": named, "session_id": hint.program_id}
