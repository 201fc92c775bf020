"""What follows a step, as far as the plan and experience tell: the facts behind a ProgramHint."""

from __future__ import annotations

from treadle.core.call_counts import CallCounts
from treadle.core.durations import DurationSource
from treadle.core.program import Outlook
from treadle.executor.graph import Graph
from treadle.executor.node import FINAL, Node
from treadle.executor.step_key import call_pattern
from treadle.planner.reference import references, to_wire


class StepOutlook:
    """What the run expects after each model call that one call of a step makes; counts them.

    How many there will be is estimated from the calls of the same tool before, in this process: a
    plain tool that was never seen is taken to make one. An agent's last call cannot be known.
    """

    __slots__ = ("_counts", "_durations", "_graph", "_node", "calls")

    def __init__(
        self, node: Node, graph: Graph, durations: DurationSource, counts: CallCounts
    ) -> None:
        self._node = node
        self._graph = graph
        self._durations = durations
        self._counts = counts
        self.calls = 0
        """The model calls so far."""

    def __call__(self) -> Outlook:
        """What follows the model call that begins now."""
        self.calls += 1
        node, graph, counts = self._node, self._graph, self._counts
        name = node.tool.name
        here = max(0, counts.expected(name) - self.calls)
        below = [each for each in _below(node) if each.state not in FINAL]
        later = sum(counts.expected(each.tool.name) for each in below if each.tool.calls_model)
        if node.fan_out is not None:
            items = len(node.fan_out.items) - node.fan_out.done - 1
            later += items * counts.expected(name)
        known = {id(node), *map(id, below)}
        others_call = any(
            each.tool.calls_model and each.state not in FINAL and id(each) not in known
            for each in graph.nodes.values()
        )
        # The tool that follows the step follows this call only where the step makes no other.
        follower = None if here else max(node.dependents, key=_rank, default=None)
        pattern = None if follower is None else _known_pattern(follower)
        own = self._durations.expected_seconds(name)
        return Outlook(
            next_tool=None if follower is None else follower.tool.name,
            next_tool_seconds=self._expected(follower, pattern),
            next_tool_pattern=pattern,
            remaining_calls=here + later,
            remaining_seconds=max(0.0, node.rank - own) + own * here / (here + self.calls),
            calls_seen=name in counts,
            last_call=graph.answers_itself
            and not later
            and not others_call
            and self.calls >= counts.most(name),
        )

    def _expected(self, node: Node | None, pattern: str | None) -> float | None:
        if node is None:
            return None
        return self._durations.expected_seconds(node.tool.name, pattern or "")


def _rank(node: Node) -> float:
    return node.rank


def _known_pattern(node: Node) -> str | None:
    """That of the arguments that `node` will be called with, where no output goes into them."""
    arguments = node.step.arguments
    if node.edited is not None or any(True for _ in references(arguments)):
        return None
    return call_pattern(to_wire(arguments))


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
