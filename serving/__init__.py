"""Models: clients for OpenAI-compatible servers, hints, and how a model is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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

_HOMES = {
    "ModelChoice": "resolve",
    "OpenAIModel": "openai_model",
    "Probe": "reachability",
    "ask_structured": "structured",
    "choose_model": "resolve",
    "hint_fields": "hints",
    "hint_headers": "hints",
    "probe": "reachability",
    "resolve_model": "resolve",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    return value
