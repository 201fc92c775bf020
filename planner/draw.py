"""Plans as pictures: Mermaid, DOT, and a tree for the terminal."""

from __future__ import annotations

from treadle.core.json_value import compact_json
from treadle.planner.analysis import essential_edges
from treadle.planner.plan import Plan
from treadle.planner.reference import to_wire
from treadle.planner.step import Step

_DEEPEST = 90
"""Characters of indentation in a tree; what lies deeper is shown at this depth."""


def to_mermaid(plan: Plan) -> str:
    """The plan as a Mermaid flowchart. Conditions and fan-outs are marked on the node."""
    numbers = {step.id: f"s{index}" for index, step in enumerate(plan.steps)}
    lines = ["flowchart TD"]
    for step in plan.steps:
        text = "<br/>".join(_mermaid_text(part) for part in (step.id, _call(step)))
        opening, closing = ("[[", "]]") if step.for_each is not None else ("[", "]")
        lines.append(f'    {numbers[step.id]}{opening}"{text}"{closing}')
    for need, step_id in essential_edges(plan):
        condition = plan[step_id].when
        label = f'|"{_mermaid_text(condition.text)}"|' if condition is not None else ""
        lines.append(f"    {numbers[need]} -->{label} {numbers[step_id]}")
    return "\n".join(lines) + "\n"


def to_dot(plan: Plan) -> str:
    """The plan in Graphviz's DOT language."""
    lines = ["digraph plan {", "    node [shape=box];"]
    for step in plan.steps:
        label = f"{step.id}\n{_call(step)}"
        peripheries = ", peripheries=2" if step.for_each is not None else ""
        lines.append(f"    {_dot_text(step.id)} [label={_dot_text(label)}{peripheries}];")
    for need, step_id in essential_edges(plan):
        condition = plan[step_id].when
        label = f" [label={_dot_text(condition.text)}]" if condition is not None else ""
        lines.append(f"    {_dot_text(need)} -> {_dot_text(step_id)}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def to_tree(plan: Plan) -> str:
    """The plan as an indented tree: each step once, beneath the last step that it waits for."""
    position = {step.id: index for index, step in enumerate(plan.steps)}
    children: dict[str | None, list[Step]] = {}
    for step in plan.steps:
        parent = max(step.needs, key=position.__getitem__, default=None)
        children.setdefault(parent, []).append(step)
    lines: list[str] = []
    # A stack and not recursion: a chain may be 10,000 steps long.
    pending = [(step, "", "") for step in reversed(children.get(None, []))]
    while pending:
        step, first, rest = pending.pop()
        parent = max(step.needs, key=position.__getitem__, default=None)
        others = [need for need in step.needs if need != parent]
        waits = f"  (also after {', '.join(others)})" if others else ""
        lines.append(f"{first}{step.id}: {_call(step)}{_marks(step)}{waits}")
        below = children.get(step.id, [])
        rest = rest if len(rest) < _DEEPEST else rest[:-3]
        for index in range(len(below) - 1, -1, -1):
            last = index == len(below) - 1
            pending.append(
                (below[index], rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
            )
    if plan.answer is not None:
        answer = to_wire(plan.answer)
        lines.append(f"answer: {answer if isinstance(answer, str) else compact_json(answer)}")
    return "\n".join(lines) + "\n"


def _call(step: Step) -> str:
    arguments = ", ".join(
        f"{name}={_short(compact_json(value))}" for name, value in step.args.items()
    )
    return f"{step.tool}({arguments})"


def _marks(step: Step) -> str:
    marks = ""
    if step.for_each is not None:
        marks += f"  for each of {_short(compact_json(to_wire(step.for_each)))}"
    if step.when is not None:
        marks += f"  when {_short(step.when.text)}"
    return marks


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _mermaid_text(text: str) -> str:
    escaped = (f"#{ord(char)};" if char in '"#<>&;`' or ord(char) < 32 else char for char in text)
    return "".join(escaped)


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
