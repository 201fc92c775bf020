"""Choosing the tools that a planner is shown."""

from __future__ import annotations

from collections.abc import Sequence

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
