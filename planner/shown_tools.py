"""The tools that a planner shows its model, where there are too many to show them all."""

from __future__ import annotations

from collections.abc import Iterable

from treadle.tools import Tool, ToolIndex, ToolRegistry
from treadle.tools.retrieval import shortened

MOST_SHOWN = 64
"""Tools that a planner shows its model; of more it shows those that fit the task."""


class ShownTools:
    """Chooses the tools worth showing.

    most: how many are shown. The index of the last tools is kept: a planner mostly sees the same.
    """

    def __init__(self, most: int = MOST_SHOWN) -> None:
        self._most = most
        self._indexed: tuple[Tool, ...] = ()
        self._index = ToolIndex()

    def of(
        self, tools: ToolRegistry, texts: Iterable[str], always: Iterable[str] = ()
    ) -> ToolRegistry:
        """`tools`, or those of them that bear on `texts`: the task, and what it goes on from.

        always: names of tools that are shown in any case, such as those of a plan under way.
        """
        if len(tools) <= self._most:
            return tools
        given = tuple(tools.values())
        if given != self._indexed:
            self._index, self._indexed = ToolIndex(given), given
        fitting = shortened(tools, self._index, "\n".join(texts), self._most)
        shown = dict.fromkeys([*(name for name in always if name in tools), *fitting])
        return ToolRegistry(tools[name] for name in shown)
