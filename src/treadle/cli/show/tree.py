"""Steps as an indented list: each once, beneath the last step that it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from treadle.cli.show.timeline import StepLine


def in_tree(steps: Sequence[StepLine]) -> Iterator[tuple[StepLine, int, tuple[str, ...]]]:
    """Each step with its depth in the list and the other steps that it waits for.

    It stands beneath the deepest of its needs that are among `steps`; among equally deep ones,
    beneath that which ended last.
    """
    places = {step.id: index for index, step in enumerate(steps)}
    children: dict[str | None, list[StepLine]] = {}
    parents: dict[str, str | None] = {}
    for step in steps:
        parents[step.id] = _parent(steps, places, step)
        children.setdefault(parents[step.id], []).append(step)
    # A stack and not recursion: a chain may be 10,000 steps long.
    pending = [(step, 0) for step in reversed(children.get(None, []))]
    while pending:
        step, depth = pending.pop()
        others = tuple(need for need in step.needs if need != parents[step.id])
        yield step, depth, others
        pending.extend((child, depth + 1) for child in reversed(children.get(step.id, [])))


def _parent(steps: Sequence[StepLine], places: dict[str, int], step: StepLine) -> str | None:
    known = [places[need] for need in step.needs if places.get(need, len(steps)) < places[step.id]]
    if not known:
        return None
    return steps[max(known, key=lambda at: (steps[at].depth, steps[at].finished or 0.0, at))].id
