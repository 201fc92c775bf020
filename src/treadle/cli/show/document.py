"""A run as one JSON object."""

from __future__ import annotations

import json
import re

from treadle.cli.show.timeline import Child, StepLine, Timeline, readable
from treadle.core.clock import iso_time
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload

_NOT_ASCII = re.compile(r"[^\n -~]")


def document_of(timeline: Timeline) -> dict[str, JsonValue]:
    """The object of `treadle show --format json`.

    `status` is that of the run, "running" while it has no end. Times are ISO 8601, durations
    seconds without those in which no process held the run. What was erased is null, and the object
    that it belongs to has `"erased": true`.
    """
    document: dict[str, JsonValue] = {
        "run_id": timeline.run_id,
        "status": timeline.status or "running",
        "task": readable(timeline.task),
        "started": _iso(timeline.began),
        "finished": None if timeline.status is None else _iso(timeline.ended),
        "seconds": round(timeline.seconds, 6),
        "usage": {**timeline.usage.as_json()},
        "critical_path": list(timeline.critical),
        "answer": readable(timeline.answer),
        "pending": list(timeline.pending),
        "in_doubt": list(timeline.doubtful),
        "steps": [_step(step) for step in timeline.steps],
        "children": [_child(child) for child in timeline.children],
    }
    if timeline.error is not None:
        document["error"] = {**timeline.error.as_json()}
    if _erased(timeline.task) or _erased(timeline.answer):
        document["erased"] = True
    return document


def to_text(timeline: Timeline) -> str:
    """The object as JSON text in which nothing can command a terminal, or hide."""
    text = json.dumps(document_of(timeline), ensure_ascii=False, indent=2, allow_nan=False)
    # All that is not ASCII stands inside of strings, where JSON has escapes of its own.
    return _NOT_ASCII.sub(_escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _step(step: StepLine) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {
        "id": step.id,
        "tool": step.tool,
        "status": step.look,
        "needs": list(step.needs),
        "started": _iso(step.started),
        "finished": _iso(step.finished),
        "seconds": None if step.seconds is None else round(step.seconds, 6),
        "attempts": step.attempts,
        "error": None if step.error is None else {**step.error.as_json()},
        "output": readable(step.output),
    }
    if step.total:
        document["items"] = {"done": step.done, "total": step.total, "failed": step.failed}
    if step.retries:
        document["retries"] = step.retries
    if step.usage.calls:
        document["usage"] = {**step.usage.as_json()}
    if step.undone:
        document["undone"] = True
    if _erased(step.output):
        document["erased"] = True
    return document


def _child(child: Child) -> dict[str, JsonValue]:
    return {
        "run_id": child.run_id,
        "step": child.step_id,
        "status": child.status,
        "usage": {**child.usage.as_json()},
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else iso_time(at)


def _erased(payload: Payload | None) -> bool:
    return payload is not None and payload.erased
