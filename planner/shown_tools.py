"""The tools that a planner shows its model, where there are too many to show them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from treadle.tools import Tool, ToolIndex, ToolRegistry
from treadle.tools.retrieval import choose_tools

MOST_SHOWN = 64
"""Tools that a planner shows its model; of more it shows those that fit the task."""


@dataclass(frozen=True, slots=True)
class PastPlan:
    """What is worth knowing of a plan that worked: its tools, and its task, where it had one."""

    tools: tuple[str, ...]
    task: str = ""


class ShownTools:
    """Chooses the tools worth showing.

    most: how many are shown. The index of the last tools is kept: a planner mostly sees the same.
    """

    def __init__(self, most: int = MOST_SHOWN) -> None:
        self._most = most
        self._past: tuple[PastPlan, ...] = ()
        self._current: tuple[tuple[Tool, ...], ToolIndex] = ((), ToolIndex())

    def chooses_from(self, tools: ToolRegistry) -> bool:
        """Whether `tools` are too many to show them all."""
        return len(tools) > self._most

    def learn(self, plans: Iterable[PastPlan], tools: ToolRegistry) -> None:
        """Let what past plans used together, and for what, count from now on, in place of others.

        The index of `tools` is made anew and put in place when it is done: this may take seconds
        for thousands of tools, and is meant for a thread.
        """
        past, given = tuple(plans), tuple(tools.values())
        index = _indexed(given, past)
        self._past, self._current = past, (given, index)

    def of(
        self,
        tools: ToolRegistry,
        texts: Iterable[str],
        always: Iterable[str] = (),
        steps: Sequence[str] = (),
    ) -> ToolRegistry:
        """`tools`, or those of them that bear on `texts`: the task, and what it goes on from.

        always: names of tools that are shown in any case, such as those of a plan under way.
        steps: what the steps of a sketched plan do; each has its say beside the task.

        They keep their order, which keeps the prefix of prompts alike. What fits is filled up with
        the first of the others: a task that says nothing of its tools still has some.
        """
        if not self.chooses_from(tools):
            return tools
        given = tuple(tools.values())
        known, index = self._current
        if given != known:
            index = _indexed(given, self._past)
            self._current = given, index
        found = choose_tools(index, "\n".join(texts), self._most, steps)
        chosen = set(list(dict.fromkeys([*found, *tools]))[: self._most])
        shown = dict.fromkeys(name for name in always if name in tools)
        shown |= dict.fromkeys(name for name in tools if name in chosen)
        return ToolRegistry(tools[name] for name in shown)


def _indexed(tools: Sequence[Tool], past: Iterable[PastPlan]) -> ToolIndex:
    index = ToolIndex(tools)
    for plan in past:
        index.observe(plan.tools, plan.task)
    index.search("ready", 1)  # what the first search would do is done
    return index
