"""Agent programs as data: what a trace holds and a generator makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool call as it went: its class, what its arguments have in common, how long it took."""

    tool: str
    pattern: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One model call and the tools after it, which run at the same time.

    prompt_tokens: the whole prompt, which extends the one before.
    output_tokens: generated; at least 1.
    """

    prompt_tokens: int
    output_tokens: int
    tools: tuple[ToolRun, ...] = ()

    @property
    def gap_seconds(self) -> float:
        """From the end of the call to the next one: as long as its slowest tool."""
        return max((tool.seconds for tool in self.tools), default=0.0)


@dataclass(frozen=True, slots=True)
class AgentProgram:
    """A program: its model calls, in order; at least one."""

    name: str
    turns: tuple[Turn, ...]
