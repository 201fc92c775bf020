"""Agents, the Runtime that plans over them, and chat sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

if TYPE_CHECKING:
    from treadle.agents.agent import Agent, AgentResult
    from treadle.agents.runs.run_stream import RunStream
    from treadle.agents.runtime import Runtime
    from treadle.agents.session import ChatSession

__all__ = ["Agent", "AgentResult", "ChatSession", "RunStream", "Runtime"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "agent": ("Agent", "AgentResult"),
        "runs.run_stream": ("RunStream",),
        "runtime": ("Runtime",),
        "session": ("ChatSession",),
    },
)
