"""Tools as typed Python functions: what the model reads, and the type checker too."""

from __future__ import annotations

import json
import keyword
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.tools.tool import Tool

_PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "array": "list[Any]",
    "object": "dict[str, Any]",
}
_MOST_DESCRIPTION = 600
_MOST_LITERALS = 12


@dataclass(frozen=True, slots=True)
class Stubs:
    """Tools under the names that a snippet calls them by.

    tools: by that name. text: their signatures, as a Python stub file.
    """

    tools: Mapping[str, Tool]
    text: str

    def arguments(
        self, function: str, positional: Iterable[object], named: Mapping[str, object]
    ) -> dict[str, object]:
        """What a call passes, by the names of the tool's parameters.

        Raises TypeError as Python does.
        """
        names = [name for name in self.tools[function].signature.names if name.isidentifier()]
        given = list(positional)
        if len(given) > len(names):
            raise TypeError(f"{function}() takes {len(names)} arguments, {len(given)} were given")
        arguments = dict(zip(names, given, strict=False))
        for name, value in named.items():
            if name in arguments:
                raise TypeError(f"{function}() got two values for '{name}'")
            arguments[name] = value
        return arguments


def stubs_of(tools: Iterable[Tool]) -> Stubs:
    """The stubs of `tools`, whose names become Python identifiers.

    Raises ConfigError (`duplicate_tool`) where two become the same, so that neither stands in for
    the other.
    """
    named: dict[str, Tool] = {}
    for each in tools:
        name = function_name(each.name)
        if name in named:
            raise ConfigError(
                "duplicate_tool",
                f"'{named[name].name}' and '{each.name}' are both '{name}' in Python; rename one",
            )
        named[name] = each
    text = "\n\n".join(_stub(name, each) for name, each in named.items())
    return Stubs(named, f"from typing import Any, Literal\n\n{text}\n")


def function_name(tool: str) -> str:
    """The Python identifier for a tool's name."""
    name = re.sub(r"\W", "_", tool, flags=re.ASCII)
    return f"{name}_" if keyword.iskeyword(name) else name


def type_of(schema: JsonValue, definitions: Mapping[str, JsonValue], depth: int = 0) -> str:
    """The Python type that a JSON schema describes; `Any` for what has no short one."""
    if not isinstance(schema, dict) or depth > 5:
        return "Any"
    if isinstance(reference := schema.get("$ref"), str):
        return type_of(definitions.get(reference.rpartition("/")[2]), definitions, depth + 1)
    if isinstance(choices := schema.get("enum"), list) and 0 < len(choices) <= _MOST_LITERALS:
        if all(isinstance(each, str) for each in choices):
            return f"Literal[{', '.join(repr(each) for each in choices)}]"
        return "Any"
    if isinstance(several := schema.get("anyOf"), list):
        return _union(type_of(each, definitions, depth + 1) for each in several)
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union(_PLAIN.get(str(each), "Any") for each in kind)
    if kind == "array" and "items" in schema:
        return f"list[{type_of(schema['items'], definitions, depth + 1)}]"
    if kind == "object" and isinstance(each := schema.get("additionalProperties"), dict):
        return f"dict[str, {type_of(each, definitions, depth + 1)}]"
    return _PLAIN.get(str(kind), "Any")


def _union(types: Iterable[str]) -> str:
    found = list(dict.fromkeys(types))
    return "Any" if "Any" in found or not found else " | ".join(found)


def _stub(name: str, tool: Tool) -> str:
    described = textwrap.shorten(tool.description, _MOST_DESCRIPTION) or tool.name
    # A description is text from elsewhere: it must not end the literal that it stands in.
    docstring = json.dumps(described, ensure_ascii=False)
    returned = type_of(dict(tool.returns), _definitions(tool.returns))
    return f"async def {name}({_parameters(tool)}) -> {returned}:\n    {docstring}\n    ..."


def _parameters(tool: Tool) -> str:
    properties = tool.parameters.get("properties")
    fields = properties if isinstance(properties, dict) else {}
    definitions = _definitions(tool.parameters)
    shown: list[str] = []
    optional = False
    for each in tool.signature.names:
        if not each.isidentifier() or keyword.iskeyword(each):
            continue
        text = f"{each}: {type_of(fields.get(each), definitions)}"
        if each not in tool.signature.required:
            text, optional = f"{text} = ...", True
        elif optional:
            # Python wants those with a default last; by name it does not matter.
            text = f"{text} = ..."
        shown.append(text)
    return ", ".join(shown)


def _definitions(schema: JsonSchema) -> Mapping[str, JsonValue]:
    found = schema.get("$defs")
    return found if isinstance(found, dict) else {}
