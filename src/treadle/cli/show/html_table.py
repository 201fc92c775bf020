"""The steps of a run as an HTML table."""

from __future__ import annotations

import html
from collections.abc import Sequence

from treadle.cli.harmless import harmless
from treadle.cli.looks import GLYPHS, seconds
from treadle.cli.show.svg import element, escaped
from treadle.cli.show.timeline import StepLine, Timeline, readable
from treadle.core.json_value import as_text
from treadle.core.payload import Payload

MOST_TEXT = 4_000
"""Characters of an output, an answer or a task on the page."""

_MOST_NEEDS = 30
_HEADS = ("Step", "Tool", "State", "Needs", "Start", "Seconds", "Attempts", "Tokens", "Result")


def table(timeline: Timeline, shown: Sequence[StepLine]) -> str:
    """A row for each of `shown`, with its output or its error."""
    critical = frozenset(timeline.critical)
    head = element("tr", "".join(element("th", escaped(name), scope="col") for name in _HEADS))
    rows = "".join(_row(timeline, step, critical=step.id in critical) for step in shown)
    return element("table", element("thead", head) + element("tbody", rows))


def _row(timeline: Timeline, step: StepLine, *, critical: bool) -> str:
    needs = ", ".join(step.needs[:_MOST_NEEDS])
    if len(step.needs) > _MOST_NEEDS:
        needs += f" and {len(step.needs) - _MOST_NEEDS:,} more"
    state = f"{GLYPHS[step.look]} {step.look}" + (", undone" if step.undone else "")
    if step.total:
        state += f" {step.done:,}/{step.total:,}"
        state += f", {step.failed:,} failed" if step.failed else ""
    started = "" if step.started is None else f"+{seconds(timeline.offset(step.started))}"
    cells = [
        escaped(("* " if critical else "") + step.id),
        escaped(step.tool),
        escaped(state),
        escaped(needs, 3_000),
        escaped(started),
        "" if step.seconds is None else f"{step.seconds:.3f}",
        str(step.attempts or ""),
        f"{step.usage.total_tokens:,}" if step.usage.calls else "",
        _result(step),
    ]
    look = f"step {step.look}" + (" critical" if critical else "")
    return element("tr", "".join(element("td", cell) for cell in cells), class_=look)


def _result(step: StepLine) -> str:
    parts: list[str] = []
    note = _note(step)
    if note:
        parts.append(element("div", escaped(note, 500), class_="note"))
    if step.error is not None:
        parts.append(element("div", escaped(str(step.error), 1_000), class_="error"))
    if step.output is not None:
        parts.append(element("details", element("summary", "output") + block(step.output)))
    return "".join(parts)


def _note(step: StepLine) -> str:
    wire = readable(step.wire)
    note = wire.get("note") if isinstance(wire, dict) else None
    return note if isinstance(note, str) else ""


def block(payload: Payload) -> str:
    """The value of `payload` as it is, cut where it is long."""
    if payload.erased:
        return element("p", "(erased)", class_="note")
    text = as_text(payload.value)
    more = len(text) - MOST_TEXT
    said = f"\n… {more:,} characters more" if more > 0 else ""
    return element("pre", html.escape(harmless(text[:MOST_TEXT]), quote=True) + said)
