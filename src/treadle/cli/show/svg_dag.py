"""The DAG of a run as SVG: a column for each layer, from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from treadle.cli.looks import GLYPHS, seconds
from treadle.cli.show.drawn_plan import drawn_plan
from treadle.cli.show.svg import element, escaped
from treadle.cli.show.timeline import StepLine
from treadle.planner.analysis import essential_edges

_WIDE, _HIGH = 190, 40
_GAP_X, _GAP_Y = 50, 12
_MARGIN = 10
_MOST_EDGES = 4_000
_SWEEPS = 2


def dag_svg(steps: Sequence[StepLine], critical: Sequence[str]) -> str:
    """`steps` as boxes with their state, and the edges that no longer path implies."""
    edges = _edges(steps)
    columns = _columns(steps, edges)
    spots = {
        step_id: (_MARGIN + x * (_WIDE + _GAP_X), _MARGIN + y * (_HIGH + _GAP_Y))
        for x, column in enumerate(columns)
        for y, step_id in enumerate(column)
    }
    marked = frozenset(critical)
    chain = frozenset(pairwise(critical))
    lines = "".join(
        _edge(spots[need], spots[step_id], critical=(need, step_id) in chain)
        for need, step_id in edges
    )
    boxes = "".join(_box(step, spots[step.id], critical=step.id in marked) for step in steps)
    width = 2 * _MARGIN + len(columns) * (_WIDE + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + max(map(len, columns)) * (_HIGH + _GAP_Y) - _GAP_Y
    return element(
        "svg", lines + boxes, width=width, height=height,
        viewBox=f"0 0 {width} {height}", role="img", aria_label="The steps and what they wait for",
    )  # fmt: skip


def _edges(steps: Sequence[StepLine]) -> list[tuple[str, str]]:
    plan = drawn_plan(steps)
    return [] if plan is None else essential_edges(plan)[:_MOST_EDGES]


def _columns(steps: Sequence[StepLine], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The ids by layer; layers without a step that is drawn are left out.

    Within a layer each stands near the middle of its neighbours in the layer before, and after
    (the barycentre heuristic of Sugiyama, Tagawa and Toda, 1981).
    """
    layers: dict[int, list[str]] = {}
    for step in steps:
        layers.setdefault(step.depth, []).append(step.id)
    columns = [layers[depth] for depth in sorted(layers)]
    before: dict[str, list[str]] = {step.id: [] for step in steps}
    after: dict[str, list[str]] = {step.id: [] for step in steps}
    for need, step_id in edges:
        before[step_id].append(need)
        after[need].append(step_id)
    for _ in range(_SWEEPS):
        _sweep(columns, before)
        columns.reverse()
        _sweep(columns, after)
        columns.reverse()
    return columns


def _sweep(columns: list[list[str]], neighbours: Mapping[str, Sequence[str]]) -> None:
    places: dict[str, float] = {}
    for column in columns:
        for index, step_id in enumerate(column):
            places.setdefault(step_id, float(index))
        middles = {
            step_id: _middle([places[each] for each in neighbours[step_id]], places[step_id])
            for step_id in column
        }
        column.sort(key=middles.__getitem__)
        places.update((step_id, float(index)) for index, step_id in enumerate(column))


def _middle(places: Sequence[float], own: float) -> float:
    return sum(places) / len(places) if places else own


def _edge(start: tuple[int, int], end: tuple[int, int], *, critical: bool) -> str:
    x1, y1 = start[0] + _WIDE, start[1] + _HIGH // 2
    x2, y2 = end[0], end[1] + _HIGH // 2
    bend = max(20, (x2 - x1) // 2)
    path = f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
    return element("path", d=path, class_="edge critical" if critical else "edge")


def _box(step: StepLine, spot: tuple[int, int], *, critical: bool) -> str:
    x, y = spot
    took = "" if step.seconds is None else f" · {seconds(step.seconds)}"
    items = f" · {step.done:,}/{step.total:,}" if step.total else ""
    title = escaped(f"{step.id}: {step.tool}, {step.look}{took}{items}", 400)
    content = (
        element("title", title)
        + element("rect", x=x, y=y, width=_WIDE, height=_HIGH, rx=6, class_="box")
        + element(
            "text", f"{GLYPHS[step.look]} {escaped(step.id, 22)}", x=x + 8, y=y + 16, class_="id"
        )
        + element(
            "text", escaped(f"{step.tool}{took}{items}", 28), x=x + 8, y=y + 32, class_="small"
        )
    )
    return element("g", content, class_=f"step {step.look}" + (" critical" if critical else ""))
