"""Which steps are shown where not all of them can be."""

from __future__ import annotations

from treadle.cli.run_view import Look
from treadle.cli.show.timeline import StepLine, Timeline

_FIRST: frozenset[Look] = frozenset({"failed", "running", "waiting"})


def selected(timeline: Timeline, most: int) -> tuple[StepLine, ...]:
    """At most `most` steps, in their order.

    Where there are more: up to a third are what failed, runs or waits, up to a third lie on the
    critical path (its end), and the first ones in order fill the rest.
    """
    steps = timeline.steps
    if len(steps) <= most:
        return steps
    third = most // 3
    chosen = {step.id for step in [step for step in steps if step.look in _FIRST][:third]}
    if third:
        chosen.update(timeline.critical[-third:])
    for step in steps:
        if len(chosen) >= most:
            break
        chosen.add(step.id)
    return tuple(step for step in steps if step.id in chosen)


def left_out(timeline: Timeline, shown: int) -> str | None:
    """A line that says how many steps are not shown; None where all are."""
    hidden = len(timeline.steps) - shown
    if hidden <= 0:
        return None
    return f"… and {hidden:,} of {len(timeline.steps):,} steps more; --format json has them all"
