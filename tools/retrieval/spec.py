"""Reading what describes a tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from treadle.core.chat import FunctionSpec
from treadle.core.errors import InputError
from treadle.tools.tool import Tool

ToolSpec: TypeAlias = Tool | FunctionSpec | Mapping[str, object]
"""A Tool, or a function spec `{name, description, parameters}`, also as the `function` of one."""

_MAX_TEXT = 10_000  # characters of parameters that are read
_MAX_DEPTH = 4
_MAX_NODES = 2_000  # schemas that are read of one tool: references can spell out many


def spec_of(given: ToolSpec) -> FunctionSpec:
    """The name, description and parameters of a tool.

    Raises InputError (`bad_tool_spec`) for what has no name, or where a part is of another type.
    """
    if isinstance(given, Tool):
        return given.spec
    if isinstance(given, FunctionSpec):
        return given
    if not isinstance(given, Mapping):
        raise InputError("bad_tool_spec", f"{_shown(given)} is neither a tool nor a function spec")
    inner = given.get("function")
    if "name" not in given and isinstance(inner, Mapping):
        given = inner
    name, description = given.get("name"), given.get("description")
    parameters = given.get("parameters")
    if not isinstance(name, str):
        raise InputError("bad_tool_spec", f"{_shown(given)} has no name that is a string")
    if not isinstance(description, str | None):
        raise InputError("bad_tool_spec", f"the description of {_shown(name)} is no string")
    if not isinstance(parameters, Mapping | None):
        raise InputError("bad_tool_spec", f"the parameters of {_shown(name)} are no JSON schema")
    return FunctionSpec(name, description or "", dict(parameters or {}))


def parameter_text(schema: Mapping[str, object]) -> str:
    """The names, descriptions and choices of the parameters in a JSON schema.

    Parameters by name alone, `{"city": {"description": ...}}`, are read as well.
    """
    parts: list[str] = []
    _Reading(schema, parts).members({"properties": schema} if _by_name(schema) else schema)
    return " ".join(parts)[:_MAX_TEXT]


def _by_name(schema: Mapping[str, object]) -> bool:
    named = all(isinstance(each, Mapping | str) for each in schema.values())
    return named and "properties" not in schema and not isinstance(schema.get("type"), str)


class _Reading:
    """Collects the words of a schema in `parts`; references are looked up in `root`."""

    def __init__(self, root: Mapping[str, object], parts: list[str]) -> None:
        self._root = root
        self._parts = parts
        self._left = _MAX_NODES

    def members(self, schema: Mapping[str, object], depth: int = _MAX_DEPTH) -> None:
        properties = schema.get("properties")
        if depth and isinstance(properties, Mapping):
            for name, described in properties.items():
                self._parts.append(str(name))
                self._one(described, depth - 1)

    def _one(self, schema: object, depth: int) -> None:
        self._left -= 1
        if isinstance(schema, str):
            self._parts.append(schema)
        if not isinstance(schema, Mapping) or self._left < 0:
            return
        description, choices = schema.get("description"), schema.get("enum")
        if isinstance(description, str):
            self._parts.append(description)
        if isinstance(choices, list):
            self._parts += [each for each in choices if isinstance(each, str)]
        self.members(schema, depth)
        if depth:
            for part in self._within(schema):
                self._one(part, depth - 1)

    def _within(self, schema: Mapping[str, object]) -> Iterator[object]:
        """What else a schema consists of: its items, its alternatives, what it refers to."""
        if isinstance(schema.get("items"), Mapping):
            yield schema["items"]
        for key in ("anyOf", "oneOf", "allOf"):
            choices = schema.get(key)
            yield from choices if isinstance(choices, list) else ()
        reference = schema.get("$ref")
        if isinstance(reference, str):
            for key in ("$defs", "definitions"):
                known = self._root.get(key)
                if isinstance(known, Mapping):
                    yield known.get(reference.removeprefix(f"#/{key}/"))


def _shown(given: object) -> str:
    return repr(given)[:80]
