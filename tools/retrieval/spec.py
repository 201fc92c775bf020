"""Reading what describes a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from treadle.core.chat import FunctionSpec
from treadle.core.errors import InputError
from treadle.tools.tool import Tool

ToolSpec: TypeAlias = Tool | FunctionSpec | Mapping[str, object]
"""A Tool, or a function spec `{name, description, parameters}`, also as the `function` of one."""

_MAX_TEXT = 10_000  # characters of parameters that are read
_MAX_DEPTH = 4


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
    """The names, descriptions and choices of the parameters in a JSON schema."""
    parts: list[str] = []
    _read(schema, parts, _MAX_DEPTH)
    return " ".join(parts)[:_MAX_TEXT]


def _read(schema: Mapping[str, object], parts: list[str], depth: int) -> None:
    properties = schema.get("properties")
    if depth and isinstance(properties, Mapping):
        for name, described in properties.items():
            parts.append(str(name))
            if isinstance(described, Mapping):
                _read_one(described, parts, depth - 1)


def _read_one(schema: Mapping[str, object], parts: list[str], depth: int) -> None:
    description, choices = schema.get("description"), schema.get("enum")
    if isinstance(description, str):
        parts.append(description)
    if isinstance(choices, list):
        parts += [each for each in choices if isinstance(each, str)]
    _read(schema, parts, depth)
    items = schema.get("items")
    if depth and isinstance(items, Mapping):
        _read_one(items, parts, depth - 1)


def _shown(given: object) -> str:
    return repr(given)[:80]
