"""The tools that the plans of a Runtime may use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from treadle.agents.agent import Agent
from treadle.core.chat import ChatModel
from treadle.tools import Tool, ToolRegistry
from treadle.tools.builtin import builtin_tools


def offered(
    model: ChatModel,
    given: Iterable[Tool | Agent],
    *,
    workspace: Path | None,
    hosts: Sequence[str],
) -> ToolRegistry:
    """The built-in tools, and those that were given; agents become tools.

    workspace: the folder that built-in tools see; None for none of them. hosts: those that they
        may contact.

    Raises ConfigError (`duplicate_tool`, `bad_tool`).
    """
    own = (each.as_tool(model) if isinstance(each, Agent) else each for each in given)
    included = () if workspace is None else builtin_tools(workspace, allow_hosts=hosts, model=model)
    return ToolRegistry([*included, *own])
