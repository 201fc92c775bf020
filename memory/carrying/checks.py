"""What a line of an import may hold: anything else is refused, with the number of the line."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.memory.carrying.shape import ITEM_TABLES, MOST_LINE, NAMESPACE_COLUMNS, Shape
from treadle.memory.kinds import Origin
from treadle.memory.times import EARLIEST, LATEST

_MOST_NUMBER = 2**63 - 1
_MOST_NAME = 1_000
"""Characters of an id, or of what else tells rows apart."""

_JSON: Mapping[str, type] = {
    "taint": list,
    "cues": list,
    "artifacts": list,
    "metadata": dict,
    "parameters": dict,
    "payload": dict,
}
"""Columns whose text is JSON, and of which type."""

_ONE_OF: Mapping[tuple[str, str], frozenset[str]] = {
    ("episode", "origin"): frozenset(Origin),
    ("fact", "origin"): frozenset(Origin),
    ("fact", "cardinality"): frozenset({"one", "many"}),
    ("concept", "kind"): frozenset({"concept", "warning"}),
}


def bad(line: int, what: str) -> InputError:
    """The error for a line (from 1) that cannot be imported."""
    return InputError("bad_import", f"line {line}: {what}; nothing was imported")


def parsed(line: int, data: bytes) -> dict[str, Any]:
    """The object in a line."""
    if len(data) > MOST_LINE:
        raise bad(line, f"is longer than {MOST_LINE} bytes")
    if not data.endswith(b"\n"):
        raise bad(line, "is cut off")
    try:
        record = json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise bad(line, f"is no JSON ({str(error)[:80]})") from None
    if not isinstance(record, dict):
        raise bad(line, "is no JSON object")
    return record


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def checked(line: int, shape: Shape, record: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row; what refers to other rows is still a name."""
    columns = {each.name: each for each in shape.columns}
    unknown = record.keys() - columns.keys()
    missing = columns.keys() - record.keys()
    if unknown or missing:
        names = ", ".join(sorted(unknown or missing))[:80]
        raise bad(line, f"{shape.table.name} {'has' if unknown else 'lacks'} {names}")
    return {name: _value(line, shape, column, record[name]) for name, column in columns.items()}


def namespace_values(line: int, record: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a line that begins a namespace, but for its path."""
    if record.keys() - {"path"} != set(NAMESPACE_COLUMNS):
        raise bad(line, "a namespace has other fields")
    for name in ("created_at", "last_recorded"):
        _time(line, name, record[name])
    for name in ("most_episodes", "most_bytes"):
        if record[name] is not None:
            _number(line, name, record[name])
    if record["keep_seconds"] is not None:
        _finite(line, "keep_seconds", record["keep_seconds"])
    return {name: record[name] for name in NAMESPACE_COLUMNS}


def _value(line: int, shape: Shape, column: sa.Column[Any], value: object) -> object:
    name = f"{shape.table.name}.{column.name}"
    if value is None:
        if column.nullable:
            return None
        raise bad(line, f"{name} is null")
    if column.name in shape.references or column.name in shape.items:
        return _text(line, name, value, _MOST_NAME)
    if column.name in shape.items.values() and value not in ITEM_TABLES:
        raise bad(line, f"{name} is no kind of item: {str(value)[:20]}")
    if isinstance(column.type, sa.LargeBinary):
        return _bytes(line, name, value)
    if isinstance(column.type, sa.Text):
        return _said(line, shape, column.name, value)
    if isinstance(column.type, sa.Double):
        if column.name.endswith(("_at", "_from", "_to")):
            return _time(line, name, value)
        return _finite(line, name, value)
    if column.name == "kind" and shape.table.name == "tombstone" and value == -1:
        return value
    return _number(line, name, value)


def _said(line: int, shape: Shape, column: str, value: object) -> str:
    name = f"{shape.table.name}.{column}"
    text = _text(line, name, value, _MOST_NAME if column in shape.identity else MOST_LINE)
    if column in shape.identity and not text:
        raise bad(line, f"{name} is empty")
    allowed = _ONE_OF.get((shape.table.name, column))
    if allowed is not None and text not in allowed:
        raise bad(line, f"{name} is {text[:20]!r}, none of {', '.join(sorted(allowed))}")
    wanted = _JSON.get(column)
    if wanted is not None:
        try:
            inner = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise bad(line, f"{name} is no JSON") from None
        if not isinstance(inner, wanted):
            raise bad(line, f"{name} is no JSON {'array' if wanted is list else 'object'}")
    return text


def _text(line: int, name: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise bad(line, f"{name} is no text")
    if len(value) > most:
        raise bad(line, f"{name} has {len(value)} characters; {most} are allowed")
    if "\0" in value or not _is_unicode(value):
        raise bad(line, f"{name} has characters that no database keeps")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes(line: int, name: str, value: object) -> bytes:
    try:
        return base64.b64decode(_text(line, name, value, MOST_LINE), validate=True)
    except binascii.Error:
        raise bad(line, f"{name} is no base64") from None


def _number(line: int, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_NUMBER:
        raise bad(line, f"{name} is no count")
    return value


def _finite(line: int, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(line, f"{name} is no number")
    try:
        number = float(value)
    except OverflowError:
        raise bad(line, f"{name} is too large") from None
    if not math.isfinite(number):
        raise bad(line, f"{name} is no finite number")
    return number


def _time(line: int, name: str, value: object) -> float:
    number = _finite(line, name, value)
    if not EARLIEST <= number <= LATEST:
        raise bad(line, f"{name} is no time between the years 1 and 9999")
    return number
