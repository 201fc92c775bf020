"""A run as text for a terminal; readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from itertools import chain
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.looks import GLYPHS, STYLES, seconds
from treadle.cli.show.gantt import bar
from treadle.cli.show.selection import left_out, selected
from treadle.cli.show.timeline import StepLine, Stretch, Timeline, readable
from treadle.cli.show.tree import in_tree
from treadle.core.clock import iso_time
from treadle.core.json_value import as_text
from treadle.core.payload import Payload

if TYPE_CHECKING:
    from rich.text import Text

MOST_STEPS = 200
"""Steps that are listed, and that have a bar."""

_MOST_NAMED = 20
_MOST_ERRORS = 20
_MOST_MODELS = 20
_LONGEST = 400
_DEEPEST = 20
_CRITICAL = "*"


def to_text(timeline: Timeline, *, width: int, color: bool) -> str:
    """Header, steps, timeline, critical path, errors and what waits for a person."""
    from rich.console import Console

    width = max(40, width)
    page = StringIO()
    console = Console(
        file=page, width=width, force_terminal=color, color_system="standard" if color else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False, no_color=not color,
    )  # fmt: skip
    shown = selected(timeline, MOST_STEPS)
    parts = [_header(timeline)]
    if shown:
        parts += [_steps(timeline, shown), _gantt(timeline, shown, width)]
    for lines in filter(None, parts):
        for line in lines:
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        console.print()
    for lines in filter(None, (_critical(timeline), _ending(timeline))):
        for line in lines:
            console.print(line, overflow="fold")
        console.print()
    return page.getvalue().rstrip("\n") + "\n"


def _line(*parts: tuple[str, str]) -> Text:
    from rich.text import Text

    return Text.assemble(*parts)


def _header(timeline: Timeline) -> list[Text]:
    status = timeline.status or "running, or cut short"
    style = "yellow" if timeline.status == "paused" else STYLES[timeline.status or "running"]
    usage = timeline.usage
    facts = [seconds(timeline.seconds), _plural(len(timeline.steps), "step")]
    if usage.calls:
        facts.append(f"{usage.total_tokens:,} tokens in {_plural(usage.calls, 'model call')}")
    if usage.cost:
        facts.append(f"cost {usage.cost:,.4g}")
    facts += [_plural(len(timeline.children), "nested run")] if timeline.children else []
    lines = [
        _line(
            (one_line(timeline.run_id, 80), "bold"), ("  ", ""), (status, style),
            ("  ", ""), ("  ".join(facts), ""),
        )
    ]  # fmt: skip
    if timeline.task is not None:
        lines.append(_line(("task     ", "dim"), (_shown(timeline.task), "")))
    if timeline.began is not None:
        lines.append(_line(("started  ", "dim"), (iso_time(timeline.began)[:19] + "Z", "")))
    if timeline.gaps:
        rested = sum(gap.end - gap.start for gap in timeline.gaps)
        count = _plural(len(timeline.gaps), "time")
        lines.append(_line(("resumed  ", "dim"), (f"{count}; {seconds(rested)} left out", "")))
    return lines


def _steps(timeline: Timeline, shown: Sequence[StepLine]) -> list[Text]:
    counts = ", ".join(f"{count:,} {look}" for look, count in timeline.counts.items())
    lines = [_line(("Steps", "bold"), (f"  {counts}", "dim"))]
    critical = frozenset(timeline.critical)
    for step, depth, others in in_tree(shown):
        indent = "  " * min(depth, _DEEPEST)
        mark = _CRITICAL if step.id in critical else " "
        lines.append(
            _line(
                (f"{mark} ", "bold"),
                (f"{indent}{GLYPHS[step.look]} ", STYLES[step.look]),
                (one_line(step.id, 60), "bold" if step.id in critical else ""),
                (f": {one_line(step.tool, 60)}", ""),
                (f"  {step.look}", STYLES[step.look]),
                (_facts(step), ""),
                (f"  (also after {one_line(', '.join(others), 80)})" if others else "", "dim"),
            )
        )
    return [*lines, *_rest(timeline, shown)]


def _facts(step: StepLine) -> str:
    facts = "" if step.seconds is None else f" {seconds(step.seconds)}"
    if step.total:
        facts += f", {step.done:,}/{step.total:,} items"
        facts += f" ({step.failed:,} failed)" if step.failed else ""
    if step.retries:
        facts += f", {step.retries:,} retried" if step.total else f", {step.attempts} attempts"
    if step.usage.calls:
        facts += f", {step.usage.total_tokens:,} tokens"
    if step.usage.cost:
        facts += f", cost {step.usage.cost:,.4g}"
    return facts + (", undone" if step.undone else "")


def _gantt(timeline: Timeline, shown: Sequence[StepLine], width: int) -> list[Text]:
    begun = [step for step in shown if step.stretches]
    if not begun and not timeline.models:
        return []
    names = [one_line(step.id, 60) for step in begun]
    models = timeline.models[:_MOST_MODELS]
    calls = [f"({one_line(call.label, 20)})" for call in models]
    label = max(8, min(max(map(len, chain(names, calls))), width // 4))
    room = width - label - 2 - 12
    total = seconds(timeline.seconds)
    scale = "0" + total.rjust(room - 1)
    lines = [_line(("Timeline".ljust(label + 2), "bold"), (scale, "dim"))]
    critical = frozenset(timeline.critical)
    rows: list[tuple[str, Sequence[Stretch], str, bool, float]] = [
        (name, (call,), "blue", False, call.end - call.start)
        for name, call in zip(calls, models, strict=True)
    ]
    rows += [
        (name, step.stretches, STYLES[step.look], step.id in critical, step.seconds or 0.0)
        for name, step in zip(names, begun, strict=True)
    ]
    for name, stretches, style, marked, took in sorted(rows, key=lambda row: row[1][0].start):
        drawn = bar(timeline, stretches, room, critical=marked)
        cut = name if len(name) <= label else name[: label - 1] + "…"
        mark = _CRITICAL if marked else " "
        lines.append(
            _line((f"{cut.ljust(label)} {mark}", ""), (drawn, style), (f" {seconds(took)}", ""))
        )
    more = len(timeline.models) - len(models)
    if more > 0:
        lines.append(_line((f"… and {_plural(more, 'model call')} more", "dim")))
    return [*lines, *_rest(timeline, shown)]


def _critical(timeline: Timeline) -> list[Text]:
    if not timeline.critical:
        return []
    spent = {step.id: step.seconds or 0.0 for step in timeline.steps}
    ids = timeline.critical
    names = list(ids if len(ids) <= _MOST_NAMED else ids[-_MOST_NAMED:])
    if len(ids) > _MOST_NAMED:
        names.insert(0, f"({len(ids) - _MOST_NAMED:,} before)")
    took = seconds(sum(spent[step_id] for step_id in ids))
    head = f"{_CRITICAL} Critical path"
    return [
        _line((head, "bold"), (f"  {took} of {seconds(timeline.seconds)}", "")),
        _line((" → ".join(one_line(name, 60) for name in names), "")),
    ]


def _ending(timeline: Timeline) -> list[Text]:
    lines: list[Text] = []
    failed = [step for step in timeline.steps if step.look == "failed"]
    if timeline.error is not None:
        lines.append(_line(("error: ", "red"), (one_line(str(timeline.error), _LONGEST), "")))
    for step in failed[:_MOST_ERRORS]:
        said = one_line(str(step.error or "no reason was recorded"), _LONGEST)
        if timeline.error is not None and str(step.error) == str(timeline.error):
            said = "see above"
        lines.append(_line((f"✗ {one_line(step.id, 60)}: ", "red"), (said, "")))
    if len(failed) > _MOST_ERRORS:
        lines.append(_line((f"… and {len(failed) - _MOST_ERRORS:,} more failed", "red")))
    run_id = one_line(timeline.run_id, 80)
    if timeline.pending:
        lines += _named("? waiting for approval", timeline.pending)
        lines.append(_line((f"  treadle approve {run_id} STEP", "dim")))
    if timeline.doubtful:
        lines += _named("? in doubt", timeline.doubtful)
        lines.append(_line((f"  treadle resume {run_id} --done STEP | --redo STEP", "dim")))
    return lines


def _named(head: str, ids: Sequence[str]) -> list[Text]:
    more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
    names = ", ".join(one_line(step_id, 60) for step_id in ids[:_MOST_NAMED])
    return [_line((f"{head}: ", "magenta"), (names + more, ""))]


def _rest(timeline: Timeline, shown: Sequence[StepLine]) -> list[Text]:
    said = left_out(timeline, len(shown))
    return [] if said is None else [_line((said, "dim"))]


def _shown(payload: Payload) -> str:
    return "(erased)" if payload.erased else one_line(as_text(readable(payload)), _LONGEST)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
