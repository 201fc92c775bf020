"""Agents, the Runtime that plans over them, and chat sessions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.agents.agent import Agent, AgentResult
    from treadle.agents.runs.run_stream import RunStream
    from treadle.agents.runtime import Runtime
    from treadle.agents.session import ChatSession

__all__ = ["Agent", "AgentResult", "ChatSession", "RunStream", "Runtime"]

_HOMES = {
    "Agent": "agent",
    "AgentResult": "agent",
    "ChatSession": "session",
    "RunStream": "runs.run_stream",
    "Runtime": "runtime",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    return value
