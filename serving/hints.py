"""ProgramHint on the wire, for the backends that are known to take it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal, TypeAlias

from treadle.core.program import ProgramHint

Backend: TypeAlias = Literal["openai", "vllm", "ollama", "sglang", "compatible"]

PREFIX = "treadle_"
"""What the names of the hint's fields start with on the wire."""


def hint_fields(hint: ProgramHint | None, backend: Backend) -> dict[str, object]:
    """What to add to the body of a request for `hint`; empty where nothing is known to be taken.

    vLLM takes `vllm_xargs`, a flat object of texts and numbers, and hands it to the scheduler as
    the request's extra arguments. Fields that are not known are left out; `last_call` is 0 or 1.
    """
    if hint is None or backend != "vllm":
        return {}
    known = {name: value for name, value in asdict(hint).items() if value is not None}
    known["last_call"] = int(hint.last_call)
    return {"vllm_xargs": {PREFIX + name: value for name, value in known.items()}}
