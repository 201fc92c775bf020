"""What the joiner is told of the steps of a run."""

from __future__ import annotations

from treadle.executor.graph import Graph
from treadle.executor.node import Node, State
from treadle.executor.stored import load
from treadle.planner.joiner import Observation
from treadle.tools.artifacts import ArtifactStore

_FINAL = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.SKIPPED: "skipped",
    State.CANCELLED: "cancelled",
}


def observations(graph: Graph, artifacts: ArtifactStore) -> list[Observation]:
    """What became of every step, in the plan's order. Raises ToolError (`artifact_failed`)."""
    return [_observation(node, artifacts) for node in graph.nodes.values()]


def _observation(node: Node, artifacts: ArtifactStore) -> Observation:
    return Observation(
        node.step.id,
        node.step.tool,
        node.step.args,
        _FINAL.get(node.state, "not_run"),
        load(artifacts, node.output),
        node.error,
    )
