"""A run as a Mermaid flowchart: the plan, coloured by what became of its steps."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.cli.harmless import harmless
from treadle.cli.run_view import Look
from treadle.cli.show.drawn_plan import drawn_plan
from treadle.cli.show.timeline import Timeline
from treadle.planner.draw import to_mermaid

_COLOURS: Mapping[Look, str] = {
    "planned": "fill:#eeeeee,stroke:#888888,color:#222222",
    "running": "fill:#cfe8fc,stroke:#1c6ea4,color:#112233",
    "succeeded": "fill:#d5f0d8,stroke:#2a7d34,color:#102a13",
    "failed": "fill:#f9d3d3,stroke:#b3261e,color:#3a0a07",
    "skipped": "fill:#f6ecc9,stroke:#8a6d00,color:#332900",
    "cancelled": "fill:#f6dcc4,stroke:#9a5b13,color:#331d04",
    "waiting": "fill:#e8d7f5,stroke:#7b3fa8,color:#270f38",
}


def to_text(timeline: Timeline) -> str:
    """The flowchart: a class for each state, and `critical` for the critical path."""
    plan = drawn_plan(timeline.steps)
    if plan is None:
        return "flowchart TD\n"
    lines = [harmless(to_mermaid(plan)).rstrip("\n")]
    # The numbers are those that `to_mermaid` gives: the places in the plan.
    numbers = {step.id: f"s{index}" for index, step in enumerate(plan.steps)}
    for look in timeline.counts:
        members = ",".join(numbers[step.id] for step in timeline.steps if step.look == look)
        lines.append(f"    classDef {look} {_COLOURS[look]};")
        lines.append(f"    class {members} {look};")
    if timeline.critical:
        lines.append("    classDef critical stroke-width:4px;")
        members = ",".join(numbers[step_id] for step_id in timeline.critical)
        lines.append(f"    class {members} critical;")
    return "\n".join(lines) + "\n"
