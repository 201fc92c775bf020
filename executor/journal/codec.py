"""Events as rows, and back.

A row is (run_id, seq, at, kind, body, payload): the fields of the event as one JSON text, and its
payloads as another, so that they can be erased while the event stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

from pydantic_core import PydanticSerializationError, to_json

from treadle.core import events as catalogue
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo, RunError
from treadle.core.events import Event
from treadle.core.payload import Payload
from treadle.core.secrets import redacted_text

Row: TypeAlias = tuple[str, int, float, str, str, str | None]
"""(run_id, seq, at, kind, body, payload)."""

_COMMON = frozenset({"run_id", "seq", "at"})
_ascii: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _kind(event: type[Event]) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in event.__name__)[1:]


_TYPES: Mapping[str, type[Event]] = {
    _kind(each): each
    for each in vars(catalogue).values()
    if isinstance(each, type) and issubclass(each, Event) and each is not Event
}
_KINDS: Mapping[type[Event], str] = {each: kind for kind, each in _TYPES.items()}


def _defaults(event: type[Event]) -> tuple[tuple[str, object], ...]:
    return tuple(
        (each.name, MISSING if each.default_factory is not MISSING else each.default)
        for each in fields(event)
        if each.name not in _COMMON
    )


_FIELDS: Mapping[type[Event], tuple[tuple[str, object], ...]] = {
    each: _defaults(each) for each in _KINDS
}


def encode(event: Event) -> Row:
    """`event` as a row; fields that have their default value are left out."""
    body: dict[str, Any] = {}
    payload: dict[str, Any] | None = None
    for name, default in _FIELDS[type(event)]:
        value = getattr(event, name)
        if value is default or value == default:
            continue
        if isinstance(value, Payload):
            if payload is None:
                payload = {}
            payload[name] = [value.value, 1] if value.artifact else [value.value]
        elif isinstance(value, ErrorInfo):
            body[name] = value.as_json()
        elif isinstance(value, Usage):
            body[name] = [
                value.prompt_tokens, value.completion_tokens, value.cached_tokens, value.calls,
                *(() if value.cost is None else (value.cost,)),
            ]  # fmt: skip
        elif isinstance(value, tuple):
            body[name] = [each.as_json() if isinstance(each, ErrorInfo) else each for each in value]
        else:
            body[name] = value
    return (
        event.run_id,
        event.seq,
        event.at,
        _KINDS[type(event)],
        _dump(body),
        None if payload is None else _dump(payload),
    )


def _dump(value: dict[str, Any]) -> str:
    try:
        # A fifth of what `json` takes, and there are two for each event.
        text = to_json(value, inf_nan_mode="constants").decode()
    except PydanticSerializationError:
        text = _ascii(value)  # half of a surrogate pair, which databases refuse as such
    # Tools keep theirs to themselves; a person may have put one into a task.
    return redacted_text(text)


def erase(payload_text: str) -> str:
    """The payloads of a row without their values: what is put in their place to erase them."""
    return _dump({name: [] for name in json.loads(payload_text)})


def decode(row: Row) -> Event:
    """The event of a row.

    Raises RunError (`journal_damaged`) for a row that is none, and `database_too_new` for an
    event that a later version has written.
    """
    run_id, seq, at, kind, body_text, payload_text = row
    event_type = _TYPES.get(kind)
    if event_type is None:
        raise RunError(
            "database_too_new", f"event {seq} of {run_id} is a '{kind}'; upgrade Treadle"
        )
    try:
        values = {name: _value(name, each) for name, each in json.loads(body_text).items()}
        payloads = {} if payload_text is None else json.loads(payload_text)
        for name, stored in payloads.items():
            values[name] = Payload(stored[0] if stored else None, artifact=len(stored) > 1)
            if not stored:
                values[name].erase()
        for name in _PAYLOADS[event_type] - values.keys():
            # It is required, and not there: it was erased.
            values[name] = Payload(None)
            values[name].erase()
        return event_type(run_id=run_id, seq=seq, at=at, **values)
    except (
        ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise RunError(
            "journal_damaged", f"event {seq} ({kind}) of {run_id} cannot be read: {error}"
        ) from error


_PAYLOADS: Mapping[type[Event], frozenset[str]] = {
    event: frozenset(
        each.name
        for each in fields(event)
        if each.type == "Payload" and each.default is MISSING and each.default_factory is MISSING
    )
    for event in _KINDS
}


def _value(name: str, stored: Any) -> Any:
    if name == "error":
        return _error(stored)
    if name == "errors":
        return tuple(_error(each) for each in stored)
    if name == "usage":
        return Usage(*stored)
    return tuple(stored) if isinstance(stored, list) else stored


def _error(stored: Mapping[str, str]) -> ErrorInfo:
    return ErrorInfo(stored["code"], stored["message"], stored.get("step"))
