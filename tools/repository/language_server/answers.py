"""Reading the answers of a language server: whatever does not fit is an error, not a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.repository.language_server.records import (
    SYMBOL_KINDS,
    Diagnostic,
    Location,
    Severity,
    Symbol,
    TextEdit,
)

RawRange: TypeAlias = tuple[int, int, int, int]
"""First line and unit, last line and unit, from 0."""

Locate: TypeAlias = Callable[[str, RawRange], Location]
Place: TypeAlias = Callable[[RawRange], Location]

_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFORMATION, Severity.HINT)
_MAX_DEPTH = 50


def diagnostics(items: JsonValue, place: Place) -> list[Diagnostic]:
    """Diagnostics without mere hints of style (unused, deprecated), sorted by place."""
    found: list[Diagnostic] = []
    for item in _objects(items):
        severity = item.get("severity", 1)
        if not isinstance(severity, int) or not 1 <= severity <= len(_SEVERITIES):
            severity = 1
        if severity == len(_SEVERITIES):
            continue
        code = item.get("code")
        rule = code if isinstance(code, str) else ""
        message = str(item.get("message", "")).replace("\xa0", " ")
        where = place(_range(item.get("range")))
        found.append(Diagnostic(where, _SEVERITIES[severity - 1], message, rule))
    return sorted(found, key=lambda each: (each.location, each.message))


def locations(answer: JsonValue, locate: Locate) -> list[Location]:
    """Locations, or links to them."""
    found: list[Location] = []
    for item in _objects([answer] if isinstance(answer, dict) else answer):
        if "targetUri" in item:
            target = item.get("targetSelectionRange", item.get("targetRange"))
            found.append(locate(_text(item.get("targetUri")), _range(target)))
        else:
            found.append(locate(_text(item.get("uri")), _range(item.get("range"))))
    return found


def symbols(answer: JsonValue, locate: Locate) -> list[Symbol]:
    """Symbols of the whole repository."""
    found: list[Symbol] = []
    for item in _objects(answer):
        where = locations(item.get("location"), locate)
        container = item.get("containerName")
        named = container if isinstance(container, str) else ""
        found += [Symbol(_text(item.get("name")), _kind(item), each, named) for each in where]
    return found


def document_symbols(answer: JsonValue, place: Place) -> list[Symbol]:
    """Symbols of one document, from the nested form."""
    return list(_nested(answer, place, "", 0))


def hover(answer: JsonValue) -> str:
    """The text of a hover."""
    contents = answer.get("contents") if isinstance(answer, dict) else None
    parts = contents if isinstance(contents, list) else [contents]
    texts = [part.get("value") if isinstance(part, dict) else part for part in parts]
    return "\n\n".join(text for text in texts if isinstance(text, str)).replace("\xa0", " ")


def edits(answer: JsonValue, locate: Locate) -> list[TextEdit]:
    """The text edits of a workspace edit. Raises ToolError for one that moves or makes files."""
    if not isinstance(answer, dict):
        return []
    found: list[TextEdit] = []
    by_uri: list[tuple[str, JsonValue]] = []
    changes = answer.get("changes")
    if isinstance(changes, dict):
        by_uri += list(changes.items())
    for item in _objects(answer.get("documentChanges")):
        if "kind" in item:
            raise ToolError("language_server_refused", "the rename would move files; do that first")
        document = item.get("textDocument")
        uri = document.get("uri") if isinstance(document, dict) else None
        by_uri.append((_text(uri), item.get("edits")))
    for uri, listed in by_uri:
        for item in _objects(listed):
            where = locate(uri, _range(item.get("range")))
            found.append(TextEdit(where, _text(item.get("newText"))))
    return found


def _nested(answer: JsonValue, place: Place, container: str, depth: int) -> Iterator[Symbol]:
    if depth > _MAX_DEPTH:
        return
    for item in _objects(answer):
        where = place(_range(item.get("selectionRange", item.get("range"))))
        symbol = Symbol(_text(item.get("name")), _kind(item), where, container)
        yield symbol
        yield from _nested(item.get("children"), place, symbol.qualified_name, depth + 1)


def _kind(item: dict[str, JsonValue]) -> str:
    kind = item.get("kind")
    known = isinstance(kind, int) and 1 <= kind <= len(SYMBOL_KINDS)
    return SYMBOL_KINDS[kind - 1] if known and isinstance(kind, int) else "unknown"


def _objects(items: JsonValue) -> list[dict[str, JsonValue]]:
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _nonsense("a list of objects")
    return [item for item in items if isinstance(item, dict)]


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise _nonsense("a text")
    return value


def _range(value: JsonValue) -> RawRange:
    if isinstance(value, dict):
        ends = (value.get("start"), value.get("end"))
        numbers = [
            end.get(name) if isinstance(end, dict) else None
            for end in ends
            for name in ("line", "character")
        ]
        first, second, third, fourth = numbers
        if (
            isinstance(first, int)
            and isinstance(second, int)
            and isinstance(third, int)
            and isinstance(fourth, int)
            and min(first, second, third, fourth) >= 0
        ):
            return first, second, third, fourth
    raise _nonsense("a range")


def _nonsense(wanted: str) -> ToolError:
    return ToolError(
        "language_server_protocol", f"the language server sent something where {wanted} belongs"
    )
