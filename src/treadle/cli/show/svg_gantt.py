"""The timeline of a run as SVG: a row for each step."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.cli.looks import seconds
from treadle.cli.show.svg import element, escaped
from treadle.cli.show.timeline import StepLine, Stretch, Timeline

_LABEL, _CHART, _TAIL = 200, 800, 90
_ROW, _BAR, _TOP = 20, 14, 24
_TICKS = 5
_MOST_MODELS = 100


def gantt_svg(timeline: Timeline, shown: Sequence[StepLine]) -> str:
    """Those of `shown` that have begun or asked, and the planner's calls, by their start."""
    critical = frozenset(timeline.critical)
    rows: list[tuple[float, str, str, str, Sequence[Stretch]]] = [
        (call.start, f"({call.label})", "model", seconds(call.end - call.start), (call,))
        for call in timeline.models[:_MOST_MODELS]
    ]
    for step in shown:
        if step.stretches:
            look = f"step {step.look}" + (" critical" if step.id in critical else "")
            took = "" if step.seconds is None else seconds(step.seconds)
            rows.append((step.stretches[0].start, step.id, look, took, step.stretches))
    rows.sort(key=lambda row: row[0])
    width, height = _LABEL + _CHART + _TAIL, _TOP + len(rows) * _ROW + 8
    drawn = [_ticks(timeline, height), _gaps(timeline, height)]
    for index, (_, name, look, took, stretches) in enumerate(rows):
        drawn.append(_row(timeline, index, name, look, took, stretches))
    return element(
        "svg", "".join(drawn), width=width, height=height,
        viewBox=f"0 0 {width} {height}", role="img", aria_label="What happened when",
    )  # fmt: skip


def _row(
    timeline: Timeline, index: int, name: str, look: str, took: str, stretches: Sequence[Stretch]
) -> str:
    y = _TOP + index * _ROW
    parts = [element("title", escaped(f"{name} {took}", 300))]
    parts.append(element("text", escaped(name, 26), x=4, y=y + 12, class_="label"))
    end = float(_LABEL)
    for stretch in stretches:
        left, right = _x(timeline, stretch.start), _x(timeline, stretch.end)
        wide = max(2.0, right - left)
        end = max(end, left + wide)
        parts.append(
            element(
                "rect", x=left, y=y, width=wide, height=_BAR, rx=2, class_=f"bar {stretch.kind}"
            )
        )
    parts.append(element("text", escaped(took), x=end + 4, y=y + 12, class_="small"))
    return element("g", "".join(parts), class_=look)


def _ticks(timeline: Timeline, height: int) -> str:
    drawn = ""
    for tick in range(_TICKS + 1):
        x = _LABEL + _CHART * tick / _TICKS
        text = seconds(timeline.seconds * tick / _TICKS)
        drawn += element("line", x1=x, x2=x, y1=_TOP - 6, y2=height, class_="tick")
        drawn += element("text", escaped(text), x=x + 2, y=12, class_="small")
    return drawn


def _gaps(timeline: Timeline, height: int) -> str:
    """Where the run was cut short and went on later; the time between is left out."""
    drawn = ""
    for gap in timeline.gaps[:100]:
        x = _x(timeline, gap.end)
        title = element("title", escaped(f"resumed after {seconds(gap.end - gap.start)}"))
        drawn += element("line", title, x1=x, x2=x, y1=_TOP - 6, y2=height, class_="gap")
    return drawn


def _x(timeline: Timeline, at: float) -> float:
    return _LABEL + _CHART * min(1.0, timeline.offset(at) / (timeline.seconds or 1.0))
