"""What follows a step, as far as the plan tells: the facts behind a ProgramHint."""

from __future__ import annotations

from treadle.core.durations import DurationSource
from treadle.core.program import Outlook
from treadle.executor.node import FINAL, Node


def outlook_of(
    node: Node, durations: DurationSource, *, sealed: bool, others_call: bool
) -> Outlook:
    """What the run expects after the model call that `node` is making now.

    sealed: the plan is complete, so that what is not in it will not come.
    others_call: steps that do not follow from this one still call models.
    """
    next_node = max(node.dependents, key=lambda each: each.rank, default=None)
    calls = 0
    seen: set[int] = set()
    pending = list(node.dependents)
    while pending:
        each = pending.pop()
        if id(each) in seen or each.state in FINAL:
            continue
        seen.add(id(each))
        calls += each.tool.calls_model
        pending.extend(each.dependents)
    return Outlook(
        next_tool=None if next_node is None else next_node.tool.name,
        next_tool_seconds=(
            None if next_node is None else durations.expected_seconds(next_node.tool.name)
        ),
        remaining_calls=calls,
        remaining_seconds=max(0.0, node.rank - durations.expected_seconds(node.tool.name)),
        last_call=sealed and calls == 0 and not others_call,
    )
