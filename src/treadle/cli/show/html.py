"""A run as one HTML file: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import base64
import hashlib

from treadle.cli.looks import seconds
from treadle.cli.show.html_style import STYLE
from treadle.cli.show.html_table import block, table
from treadle.cli.show.selection import left_out, selected
from treadle.cli.show.svg import element, escaped
from treadle.cli.show.svg_dag import dag_svg
from treadle.cli.show.svg_gantt import gantt_svg
from treadle.cli.show.timeline import Timeline
from treadle.core.clock import iso_time

MOST_BOXES = 400
MOST_ROWS = 1_000
_MOST_NAMED = 100


def to_text(timeline: Timeline) -> str:
    """The page. Its policy lets a browser load and run nothing; only this style counts."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        + element("title", escaped(f"{timeline.run_id}: {timeline.status or 'running'}"))
        + f"<style>{STYLE}</style>"
    )
    body = "\n".join((_header(timeline), *_steps(timeline)))
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head>{head}</head>\n<body>{element("main", body)}</body></html>\n'
    )


def _header(timeline: Timeline) -> str:
    usage = timeline.usage
    facts = [
        timeline.status or "running, or cut short",
        seconds(timeline.seconds),
        f"{len(timeline.steps):,} steps",
        *(f"{count:,} {look}" for look, count in timeline.counts.items()),
    ]
    if usage.calls:
        facts.append(f"{usage.total_tokens:,} tokens in {usage.calls:,} model calls")
    if usage.cost:
        facts.append(f"cost {usage.cost:,.4g}")
    if timeline.began is not None:
        facts.append(f"started {iso_time(timeline.began)[:19]}Z")
    if timeline.gaps:
        facts.append(f"resumed {len(timeline.gaps):,} times (the time between is left out)")
    parts = [
        element("h1", escaped(timeline.run_id)),
        element("p", escaped(" · ".join(facts), 1_000), class_="facts"),
    ]
    if timeline.task is not None:
        parts.append(block(timeline.task))
    if timeline.error is not None:
        parts.append(element("p", escaped(str(timeline.error), 1_000), class_="error"))
    for said, ids in (("Waiting for approval", timeline.pending), ("In doubt", timeline.doubtful)):
        if ids:
            more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
            names = ", ".join(ids[:_MOST_NAMED]) + more
            parts.append(element("p", f"{said}: {escaped(names, 10_000)}", class_="pending"))
    if timeline.answer is not None:
        parts.append(element("h2", "Answer") + block(timeline.answer))
    return "".join(parts)


def _steps(timeline: Timeline) -> list[str]:
    if not timeline.steps:
        return []
    boxes, rows = selected(timeline, MOST_BOXES), selected(timeline, MOST_ROWS)
    path = " → ".join(timeline.critical[-_MOST_NAMED:])
    if len(timeline.critical) > _MOST_NAMED:
        path = f"({len(timeline.critical) - _MOST_NAMED:,} before) → {path}"
    spent = {step.id: step.seconds or 0.0 for step in timeline.steps}
    took = sum(spent[step_id] for step_id in timeline.critical)
    parts = [
        element("h2", "Steps"),
        element("div", dag_svg(boxes, timeline.critical), class_="scroll"),
        _rest(timeline, len(boxes)),
        element("h2", "Timeline"),
        element("div", gantt_svg(timeline, rows), class_="scroll"),
        _rest(timeline, len(rows)),
    ]
    if timeline.critical:
        said = f"Critical path ({seconds(took)} of {seconds(timeline.seconds)}): "
        parts.append(element("p", said + escaped(path, 20_000), class_="path"))
    parts += [
        element("h2", "Table"),
        element("div", table(timeline, rows), class_="scroll"),
        _rest(timeline, len(rows)),
    ]
    return parts


def _rest(timeline: Timeline, shown: int) -> str:
    said = left_out(timeline, shown)
    return "" if said is None else element("p", escaped(said), class_="note")
