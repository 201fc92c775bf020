"""What follows a step, as far as the plan tells: the facts behind a ProgramHint."""

from __future__ import annotations

from treadle.core.durations import DurationSource
from treadle.core.program import Outlook
from treadle.executor.graph import Graph
from treadle.executor.node import FINAL, Node


def outlook_of(node: Node, graph: Graph, durations: DurationSource) -> Outlook:
    """What the run expects after the model call that `node` is making now."""
    below = _below(node)
    calls = sum(each.tool.calls_model for each in below if each.state not in FINAL)
    if node.fan_out is not None:
        calls += len(node.fan_out.items) - node.fan_out.done - 1
    known = {id(node), *map(id, below)}
    others_call = any(
        each.tool.calls_model and each.state not in FINAL and id(each) not in known
        for each in graph.nodes.values()
    )
    follower = max(node.dependents, key=lambda each: each.rank, default=None)
    expected = durations.expected_seconds
    return Outlook(
        next_tool=None if follower is None else follower.tool.name,
        next_tool_seconds=None if follower is None else expected(follower.tool.name),
        remaining_calls=calls,
        remaining_seconds=max(0.0, node.rank - expected(node.tool.name)),
        last_call=graph.answers_itself and calls == 0 and not others_call,
    )


def _below(node: Node) -> list[Node]:
    """All that depends on `node`, directly or not."""
    seen: dict[int, Node] = {}
    pending = list(node.dependents)
    while pending:
        each = pending.pop()
        if id(each) not in seen:
            seen[id(each)] = each
            pending.extend(each.dependents)
    return list(seen.values())
