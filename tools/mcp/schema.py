"""Schemas of servers, made fit for use: bounded, and without references out of themselves."""

from __future__ import annotations

from typing import Any

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue, compact_json
from treadle.tools.schema_signature import DATA_KEYWORDS, SCHEMA_MAPS

MOST_CHARACTERS = 64 * 1024
DEEPEST = 32
_MOST_INLINED = 200


def argument_schema(tool: str, document: JsonValue) -> dict[str, JsonValue]:
    """The schema of a tool's arguments, an object at its root. See `output_schema`."""
    schema = output_schema(tool, document)
    if schema.get("type", "object") != "object":
        raise _bad(tool, "its arguments are no object")
    schema["type"] = "object"
    if not isinstance(schema.setdefault("properties", {}), dict):
        raise _bad(tool, "its properties are no object")
    return schema


def output_schema(tool: str, document: JsonValue) -> dict[str, JsonValue]:
    """`document`, with its references turned into `$defs` or resolved.

    Raises ToolError (`mcp_bad_schema`) for what is no JSON Schema (2020-12), is too large or too
    deep, or refers to anything outside of itself.
    """
    from jsonschema import Draft202012Validator, SchemaError

    if not isinstance(document, dict):
        raise _bad(tool, "it is no object")
    if _depth(document) > DEEPEST:
        raise _bad(tool, f"it is nested more than {DEEPEST} deep")
    if len(compact_json(document)) > MOST_CHARACTERS:
        raise _bad(tool, f"it has more than {MOST_CHARACTERS:,} characters")
    schema = _Rewriting(tool, document).schema()
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(str(part) for part in error.absolute_path)
        raise _bad(tool, f"{place or 'the root'}: {error.message[:200]}") from None
    return schema


class _Rewriting:
    """One schema, rewritten: older spellings of definitions and tuples, and references."""

    def __init__(self, tool: str, document: dict[str, JsonValue]) -> None:
        self._tool = tool
        self._document = document
        self._inlined = 0

    def schema(self) -> dict[str, JsonValue]:
        changed = self._walk(self._document, ())
        assert isinstance(changed, dict)
        for key in ("$schema", "$id"):
            changed.pop(key, None)
        return changed

    def _walk(self, value: JsonValue, inside: tuple[str, ...]) -> JsonValue:
        if isinstance(value, list):
            return [self._walk(each, inside) for each in value]
        if not isinstance(value, dict):
            return value
        if "$dynamicRef" in value or "$recursiveRef" in value:
            raise _bad(self._tool, "it has dynamic references")
        reference = value.get("$ref")
        if isinstance(reference, str):
            return self._referred(reference, value, inside)
        changed: dict[str, JsonValue] = {}
        for given, each in value.items():
            key = "$defs" if given == "definitions" else given
            if key in DATA_KEYWORDS:
                changed[key] = each
            elif key in SCHEMA_MAPS and isinstance(each, dict):
                changed[key] = {name: self._walk(one, inside) for name, one in each.items()}
            elif key == "items" and isinstance(each, list):
                changed["prefixItems"] = self._walk(each, inside)
            else:
                changed[key] = self._walk(each, inside)
        return changed

    def _referred(
        self, reference: str, value: dict[str, JsonValue], inside: tuple[str, ...]
    ) -> JsonValue:
        for prefix in ("#/$defs/", "#/definitions/"):
            name = reference.removeprefix(prefix)
            if name != reference and "/" not in name:
                return {**value, "$ref": f"#/$defs/{name}"}
        if not reference.startswith("#/"):
            raise _bad(
                self._tool, f"it refers to '{reference[:80]}'; only parts of it may be named"
            )
        if reference in inside:
            return {}  # it holds itself: anything goes from here on
        self._inlined += 1
        if self._inlined > _MOST_INLINED:
            raise _bad(self._tool, f"it has more than {_MOST_INLINED} references")
        return self._walk(self._target(reference), (*inside, reference))

    def _target(self, reference: str) -> JsonValue:
        found: Any = self._document
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise _bad(self._tool, f"'{reference[:80]}' leads nowhere") from None
        target: JsonValue = found
        return target


def _depth(value: JsonValue) -> int:
    """How deeply `value` is nested; stops counting where that is too deep."""
    level: list[JsonValue] = [value]
    depth = 0
    while level and depth <= DEEPEST:
        inner: list[JsonValue] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = inner
        depth += 1
    return depth


def _bad(tool: str, reason: str) -> ToolError:
    return ToolError("mcp_bad_schema", f"the schema of '{tool}' cannot be used: {reason}")
