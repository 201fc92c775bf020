"""What a snippet says of itself: parsed as what it is, data from code that is not trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.spelled_out import spelled_out

DEEPEST_VALUE = 100


@dataclass(frozen=True, slots=True)
class SnippetReport:
    """exit_code: that it ended with, by itself. kind: of the exception that ended it, if any."""

    exit_code: int | None = None
    kind: str = ""
    note: str = ""
    value: JsonValue = None


def parsed_report(content: bytes | None) -> SnippetReport:
    """The report in `content`; whatever is not one leaves its words in `note`."""
    if content is None:
        return SnippetReport()
    try:
        read = json.loads(content, parse_constant=_no_constant)
        _check_depth(read, DEEPEST_VALUE)
    except (ValueError, RecursionError) as error:
        return SnippetReport(note=f"its value was left out: {spelled_out(str(error)[:200])}")
    if not isinstance(read, dict):
        return SnippetReport(note="its value was left out: no report")
    code, kind, note = read.get("exit"), read.get("kind"), read.get("note")
    return SnippetReport(
        code if type(code) is int and 0 <= code <= 255 else None,
        spelled_out(kind[:200]) if isinstance(kind, str) else "",
        spelled_out(note[:500]) if isinstance(note, str) else "",
        cast(JsonValue, read.get("value")),
    )


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: object, left: int) -> None:
    """Whoever gets the value walks through it by recursion: it must not be a trap for that."""
    if left == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is out of range")
    children = value.values() if isinstance(value, dict) else value
    if isinstance(children, Iterable) and not isinstance(children, str):
        for child in children:
            _check_depth(child, left - 1)
