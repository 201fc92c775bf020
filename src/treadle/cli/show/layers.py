"""The order and the layers of steps, whatever order patches have left them in."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence


def in_layers(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The depth of each step, in an order in which each stands behind what it needs.

    Needs that are no step do not count. Linear in steps and edges. Steps on a cycle, which no
    checked plan has, come last, at depth 0.
    """
    dependents: dict[str, list[str]] = {step_id: [] for step_id in needs}
    open_needs: dict[str, int] = {}
    for step_id, each in needs.items():
        known = {need for need in each if need in needs}
        open_needs[step_id] = len(known)
        for need in known:
            dependents[need].append(step_id)
    depths: dict[str, int] = {step_id: 0 for step_id, count in open_needs.items() if not count}
    pending = deque(depths)
    ordered: dict[str, int] = {}
    while pending:
        step_id = pending.popleft()
        ordered[step_id] = depths[step_id]
        for dependent in dependents[step_id]:
            depths[dependent] = max(depths.get(dependent, 0), depths[step_id] + 1)
            open_needs[dependent] -= 1
            if not open_needs[dependent]:
                pending.append(dependent)
    for step_id in needs:
        ordered.setdefault(step_id, 0)
    return ordered
