"""The order of steps: what refers forward, to nothing, or in a circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.core.errors import PlanError
from treadle.planner.step import Step


def check_order(steps: Sequence[Step]) -> None:
    """Raises the first PlanError of `order_errors`, if there is any."""
    known: set[str] = set()
    for step in steps:
        if not known.issuperset(step.needs):
            raise next(iter(order_errors(steps).values()))
        known.add(step.id)


def order_errors(steps: Sequence[Step]) -> dict[str, PlanError]:
    """What is wrong with each step's dependencies, by step id; linear in steps and edges.

    `dangling_reference`: it needs a step that does not exist. `cycle`: it needs itself, over
    whatever number of others. `forward_reference`: it needs a step that comes later.
    """
    by_id = {step.id: step for step in steps}
    circular = _in_cycles(by_id)
    errors: dict[str, PlanError] = {}
    known: set[str] = set()
    for step in steps:
        for need in step.needs:
            if need not in by_id:
                errors[step.id] = PlanError(
                    "dangling_reference", f"it needs '{need}', which is no step", step_id=step.id
                )
                break
            if step.id in circular and need in circular and need not in known:
                errors[step.id] = PlanError(
                    "cycle", f"it needs '{need}', which needs it in turn", step_id=step.id
                )
                break
            if need not in known:
                errors[step.id] = PlanError(
                    "forward_reference",
                    f"it needs '{need}', which comes later; put the steps in order",
                    step_id=step.id,
                )
                break
        known.add(step.id)
    return errors


def _in_cycles(steps: Mapping[str, Step]) -> set[str]:
    """The steps that lie on a cycle."""
    from networkx import DiGraph, strongly_connected_components

    graph: DiGraph[str] = DiGraph()
    graph.add_nodes_from(steps)
    graph.add_edges_from(
        (need, step.id) for step in steps.values() for need in step.needs if need in steps
    )
    on_cycles: set[str] = set()
    for component in strongly_connected_components(graph):
        node = next(iter(component))
        if len(component) > 1 or graph.has_edge(node, node):
            on_cycles |= component
    return on_cycles
