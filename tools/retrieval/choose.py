"""Choosing the tools that a planner is shown."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.tools.registry import ToolRegistry
from treadle.tools.retrieval.index import ToolIndex


def choose_tools(index: ToolIndex, task: str, most: int, steps: Sequence[str] = ()) -> list[str]:
    """The names of at most `most` tools for `task`, best first.

    steps: of a sketched plan; each has its say in turn, so that none is left without a tool.
    Raises InputError (`bad_search`) for what is no task, or `most` below 1.
    """
    rankings = [index.search(task, most), *index.search_steps(steps, most)]
    chosen: dict[str, None] = {}
    for place in range(most):
        for ranking in rankings:
            if place < len(ranking) and len(chosen) < most:
                chosen[ranking[place].name] = None
    return list(chosen)


def shortened(tools: ToolRegistry, index: ToolIndex, task: str, most: int) -> ToolRegistry:
    """`tools` as they are, or the `most` of them that fit `task` best where there are more.

    They keep their order, which keeps the prefix of prompts alike. What fits is filled up with the
    first of the others: a task that says nothing of its tools still has some.
    """
    if len(tools) <= most:
        return tools
    chosen = dict.fromkeys(name for name in choose_tools(index, task, most) if name in tools)
    for name in tools:
        if len(chosen) >= most:
            break
        chosen[name] = None
    return ToolRegistry(tool for tool in tools.values() if tool.name in chosen)
