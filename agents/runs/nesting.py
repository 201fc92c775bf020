"""How the run that a step has started is found again."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from treadle.executor.step_key import StepKey
from treadle.tools import Tool, ToolRegistry


@runtime_checkable
class Nesting(Protocol):
    """What makes a run of each call; `tools_within`: those that such a run calls."""

    tools_within: ToolRegistry


def nesting(tool: Tool) -> Nesting | None:
    """What makes runs of the calls of `tool`; None for a tool that makes none."""
    owner = getattr(tool.function, "__self__", None)
    return owner if isinstance(owner, Nesting) else None


def child_run_id(step: StepKey) -> str:
    """The id of the run that a call of `step` makes, the same in every process."""
    return str(step).replace("/", ".")
