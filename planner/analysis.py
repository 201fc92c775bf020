"""What a plan's graph says: its longest paths, its critical path, its essential edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from treadle.planner.plan import Plan
from treadle.planner.step import Step

if TYPE_CHECKING:
    from networkx import DiGraph


MOST_REDUCED = 1_000_000
"""Steps times edges up to which edges are reduced: the time for it grows with their product."""


def graph_of(plan: Plan) -> DiGraph[str]:
    """The plan as a networkx graph; an edge leads from a step to one that needs it."""
    from networkx import DiGraph

    graph: DiGraph[str] = DiGraph()
    for step in plan.steps:
        graph.add_node(step.id)
        graph.add_edges_from((need, step.id) for need in step.needs)
    return graph


def essential_edges(plan: Plan) -> list[tuple[str, str]]:
    """The edges that no longer path implies (the transitive reduction), in the plan's order.

    For a large plan (`MOST_REDUCED`) all its edges.
    """
    from networkx import transitive_reduction

    edges = [(need, step.id) for step in plan.steps for need in step.needs]
    if len(plan) * len(edges) > MOST_REDUCED:
        return edges

    reduced = transitive_reduction(graph_of(plan))
    return [edge for edge in edges if reduced.has_edge(*edge)]


def remaining_path(plan: Plan, seconds: Callable[[Step], float]) -> dict[str, float]:
    """For each step, the expected length in seconds of the longest path from its start on."""
    remaining = {step.id: 0.0 for step in plan.steps}
    for step in reversed(plan.steps):
        remaining[step.id] += seconds(step)
        for need in step.needs:
            remaining[need] = max(remaining[need], remaining[step.id])
    return remaining


def critical_path(plan: Plan, seconds: Mapping[str, float]) -> tuple[str, ...]:
    """The ids along the longest path, given how long each step takes; empty for no steps."""
    remaining = remaining_path(plan, lambda step: seconds.get(step.id, 0.0))
    followers: dict[str, list[str]] = {step.id: [] for step in plan.steps}
    for step in plan.steps:
        for need in step.needs:
            followers[need].append(step.id)
    path: list[str] = []
    choices = [step.id for step in plan.steps if not step.needs]
    while choices:
        longest = max(choices, key=lambda step_id: remaining[step_id])
        path.append(longest)
        choices = followers[longest]
    return tuple(path)
