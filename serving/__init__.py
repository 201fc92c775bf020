"""Models: clients for OpenAI-compatible servers, hints, and how a model is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

if TYPE_CHECKING:
    from treadle.serving.hints import hint_fields, hint_headers
    from treadle.serving.openai_model import OpenAIModel
    from treadle.serving.reachability import Probe, probe
    from treadle.serving.resolve import ModelChoice, choose_model, resolve_model
    from treadle.serving.structured import ask_structured

__all__ = [
    "ModelChoice",
    "OpenAIModel",
    "Probe",
    "ask_structured",
    "choose_model",
    "hint_fields",
    "hint_headers",
    "probe",
    "resolve_model",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "hints": ("hint_fields", "hint_headers"),
        "openai_model": ("OpenAIModel",),
        "reachability": ("Probe", "probe"),
        "resolve": ("ModelChoice", "choose_model", "resolve_model"),
        "structured": ("ask_structured",),
    },
)
