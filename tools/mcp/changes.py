"""How a server differs from what was approved of it, in words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from treadle.core.json_value import JsonValue
from treadle.tools.mcp.definition import ToolDefinition
from treadle.tools.mcp.pins import ServerPin
from treadle.tools.mcp.scan.characters import spelled

_MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. kind: of the server itself, or of one tool; diff: lines, safe to print."""

    kind: Literal["server", "changed", "added", "removed"]
    name: str
    diff: tuple[str, ...]

    def as_json(self) -> dict[str, JsonValue]:
        """`{"kind", "name", "diff"}`."""
        return {"kind": self.kind, "name": self.name, "diff": list(self.diff)}

    def __str__(self) -> str:
        what = "the server" if self.kind == "server" else f"tool '{spelled(self.name)}' {self.kind}"
        return "\n".join((what, *(f"  {line}" for line in self.diff)))


def changes_since(
    pin: ServerPin, identity: Mapping[str, JsonValue], tools: Mapping[str, ToolDefinition]
) -> tuple[Change, ...]:
    """What differs from `pin`: the server, tools that changed, came or went."""
    return tuple(_changes(pin, identity, tools))


def _changes(
    pin: ServerPin, identity: Mapping[str, JsonValue], tools: Mapping[str, ToolDefinition]
) -> Iterator[Change]:
    if dict(identity) != pin.identity:
        yield Change("server", "", _diff(pin.identity, identity))
    for name, tool in tools.items():
        before = pin.tools.get(name)
        if before is None:
            yield Change("added", name, _diff({}, tool.document))
        elif before.hash != tool.hash:
            yield Change("changed", name, _diff(before.document, tool.document))
    for name in pin.tools.keys() - tools.keys():
        yield Change("removed", name, ())


def _diff(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> tuple[str, ...]:
    lines = [
        line
        for line in difflib.unified_diff(_lines(before), _lines(after), lineterm="", n=1)
        if not line.startswith(("---", "+++", "@@"))
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"({len(lines) - _MOST_LINES} more lines)"]
    return tuple(lines)


def _lines(document: Mapping[str, JsonValue]) -> list[str]:
    if not document:
        return []
    # ASCII: what hides in a text is spelled out and shows as a difference.
    text = json.dumps(dict(document), indent=1, sort_keys=True, ensure_ascii=True)
    return [spelled(line) for line in text.splitlines()]
