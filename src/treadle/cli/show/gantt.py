"""Bars on a line of characters, scaled to its width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from treadle.cli.show.timeline import Stretch, StretchKind, Timeline

MARKS: Mapping[StretchKind, str] = {
    "run": "▒",
    "model": "░",
    "retry": "~",
    "approval": "?",
    "rest": " ",
}
CRITICAL = "█"


def bar(timeline: Timeline, stretches: Iterable[Stretch], width: int, *, critical: bool) -> str:
    """`width` characters for the whole run, with a mark for what happened when.

    Each stretch has at least one character, however short it was. Where two share one, an attempt
    hides a wait.
    """
    cells = [" "] * width
    ordered = sorted(stretches, key=lambda stretch: stretch.kind == "run")
    for stretch in ordered:
        mark = CRITICAL if critical and stretch.kind == "run" else MARKS[stretch.kind]
        first, end = cells_of(timeline, stretch, width)
        cells[first:end] = mark * (end - first)
    return "".join(cells)


def cells_of(timeline: Timeline, stretch: Stretch, width: int) -> tuple[int, int]:
    """The first cell of `stretch` and the one after its last, of `width`."""
    whole = timeline.seconds or 1.0
    first = int(timeline.offset(stretch.start) / whole * width)
    first = min(first, width - 1)
    end = round(timeline.offset(stretch.end) / whole * width)
    return first, min(width, max(end, first + 1))
