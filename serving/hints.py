"""ProgramHint on the wire, for the servers that are known to take it; see `hint_formats`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from treadle.core.program import ProgramHint
from treadle.serving.hint_formats import dynamo, session, vllm
from treadle.serving.hint_formats.flat import PREFIX

Backend: TypeAlias = Literal["openai", "vllm", "ollama", "sglang", "dynamo", "compatible"]

EXTENSIONS = frozenset({"vllm_xargs", "session_id", "nvext"})
"""The fields of a body that OpenAI's own API does not have."""

__all__ = ["EXTENSIONS", "PREFIX", "Backend", "hint_fields", "hint_headers"]


def hint_fields(hint: ProgramHint | None, backend: Backend) -> dict[str, object]:
    """What to add to the body of a request for `hint`; empty where nothing is known to be taken."""
    if hint is None:
        return {}
    match backend:
        case "vllm":
            return vllm.fields(hint)
        case "dynamo":
            return dynamo.fields(hint)
        case _:
            return {}


def hint_headers(hint: ProgramHint | None, backend: Backend) -> dict[str, str]:
    """What to add to the headers of a request for `hint`.

    A server that does not know a header ignores it, but OpenAI and Ollama are sent none: they have
    no use for it.
    """
    if hint is None or backend in ("openai", "ollama"):
        return {}
    return dynamo.headers(hint) if backend == "dynamo" else session.headers(hint, backend)
