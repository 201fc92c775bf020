"""The tools that the plans of a Runtime may use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from treadle.agents.agent import Agent
from treadle.agents.memory_tools import tools_of
from treadle.core.chat import ChatModel
from treadle.tools import Tool, ToolRegistry
from treadle.tools.builtin import builtin_tools
from treadle.tools.dry import dry


def offered(
    model: ChatModel,
    given: Iterable[Tool | Agent] | ToolRegistry,
    *,
    workspace: Path | None,
    hosts: Sequence[str],
    dry_run: bool = False,
    memory: object = None,
) -> ToolRegistry:
    """The built-in tools, and those that were given; agents become tools.

    workspace: the folder that built-in tools see; None for none of them. hosts: those that they
        may contact.
    dry_run: whether they are to change nothing.
    memory: a Memory has tools of its own, where nobody else has their names; they come with the
        built-in ones.

    Raises ConfigError (`duplicate_tool`, `bad_tool`).
    """
    given = given.values() if isinstance(given, ToolRegistry) else given
    own = (
        each.as_tool(model, dry_run=dry_run) if isinstance(each, Agent) else each for each in given
    )
    included = () if workspace is None else builtin_tools(workspace, allow_hosts=hosts, model=model)
    tools = ToolRegistry([*included, *own])
    if workspace is not None:
        tools = ToolRegistry([*tools.values(), *tools_of(memory, tools)])
    return ToolRegistry(map(dry, tools.values())) if dry_run else tools
