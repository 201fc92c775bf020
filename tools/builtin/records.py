"""Lists and records: sort, count, sum, render."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from treadle.core.errors import ToolError
from treadle.core.json_value import as_text
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

_PLACE = re.compile(r"\{([^{}\n]+)\}")
_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d{1,9}\])*")
_PART = re.compile(r"([A-Za-z_][\w-]*)|\[(\d{1,9})\]")

MAX_RENDERED = 4_000_000
"""Characters that a rendered list may have."""


@tool(effect=Effect.PURE)
def sort_records(
    records: list[dict[str, Any]], by: str, descending: bool = True, limit: int | None = None
) -> list[dict[str, Any]]:
    """Sort records by a field; records without a value there come last.

    Args:
        records: a list of objects
        by: the name of the field
        descending: largest first
        limit: how many to keep
    """
    if limit is not None and limit < 0:
        raise ToolError("invalid_arguments", "limit cannot be negative")
    if records and not any(by in record for record in records):
        known = ", ".join(list(records[0])[:20])
        raise ToolError("unknown_field", f"no record has a field '{by}', only {known}")
    with_value = [record for record in records if record.get(by) is not None]
    without = [record for record in records if record.get(by) is None]
    try:
        with_value.sort(key=lambda record: record[by], reverse=descending)
    except TypeError:
        raise ToolError(
            "not_comparable", f"the values of '{by}' are of kinds that cannot be compared"
        ) from None
    return [*with_value, *without][:limit]


@tool(effect=Effect.PURE)
def count_items(items: list[Any]) -> int:
    """How many items a list has.

    Args:
        items: any list
    """
    return len(items)


@tool(effect=Effect.PURE)
def sum_field(records: list[dict[str, Any]], field: str) -> int | float:
    """The sum of a numeric field over records; records without a value there count as 0.

    Args:
        records: a list of objects
        field: the name of the field
    """
    if records and not any(field in record for record in records):
        raise ToolError("unknown_field", f"no record has a field '{field}'")
    values: list[Any] = [record[field] for record in records if record.get(field) is not None]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise ToolError("not_a_number", f"'{field}' holds something that is not a number")
    whole = [value for value in values if isinstance(value, int)]
    try:
        return sum(whole) if len(whole) == len(values) else math.fsum(values)
    except OverflowError:
        raise ToolError("number_too_large", f"the sum of '{field}' gets too large") from None


@tool(effect=Effect.PURE)
def render_list(items: list[Any], line: str = "- {item}", empty: str = "(none)") -> str:
    """Write a list as text, one line per item.

    Args:
        items: texts, numbers or records
        line: what each line looks like: {item}, {index} (from 1), or the {field}s of a record
        empty: what stands for an empty list
    """
    if not items:
        return empty
    lines: list[str] = []
    room = MAX_RENDERED
    for number, item in enumerate(items, start=1):
        lines.append(_render(line, item, number, room))
        room -= len(lines[-1]) + 1
    return "\n".join(lines)


def record_tools() -> tuple[Tool, ...]:
    """The tools for lists and records."""
    return sort_records, count_items, sum_field, render_list


def _render(line: str, item: Any, number: int, room: int) -> str:
    """One line, of at most about `room` characters. Raises ToolError (`text_too_large`, ...)."""
    left = room - len(line)

    def fill(place: re.Match[str]) -> str:
        nonlocal left
        text = _text_at(place, item, number)
        left -= len(text)
        if left < 0:
            raise ToolError(
                "text_too_large", f"the list makes more than {MAX_RENDERED:,} characters of text"
            )
        return text

    return _PLACE.sub(fill, line)


def _text_at(place: re.Match[str], item: Any, number: int) -> str:
    name = place[1]
    if isinstance(item, Mapping) and name in item:
        return as_text(item[name])
    if name == "index":
        return str(number)
    if not _NAME.fullmatch(name):
        return place[0]  # braces that are part of the text
    path = _PART.findall(name)
    value: Any = item
    for field, position in path[1:] if path[0][0] == "item" else path:
        if field and isinstance(value, Mapping) and field in value:
            value = value[field]
        elif position and isinstance(value, list) and int(position) < len(value):
            value = value[int(position)]
        else:
            raise ToolError("unknown_field", f"item {number} has no '{name}'")
    return as_text(value)
