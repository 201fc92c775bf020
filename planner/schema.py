"""The JSON schema of plans over given tools, for backends that constrain what a model writes."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.planner.step import OnFailure
from treadle.tools import Tool, ToolRegistry

_REFERENCE: dict[str, JsonValue] = {"type": "string", "pattern": r"\$\{"}
_ID = r"^[A-Za-z_][A-Za-z0-9_-]*$"


def plan_schema(tools: ToolRegistry) -> dict[str, JsonValue]:
    """The schema of a plan's wire form: one alternative per tool, arguments typed or referred to.

    The order is the registry's, so that the schema is the same bytes for the same tools.
    """
    return {
        "type": "object",
        "properties": {"steps": steps_schema(tools), "answer": {"type": "string"}},
        "required": ["steps"],
        "additionalProperties": False,
    }


def steps_schema(tools: ToolRegistry) -> dict[str, JsonValue]:
    """The schema of a list of steps; without any tool only the empty list is left."""
    if not tools:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "items": {"anyOf": [_step(tool) for tool in tools.values()]}}


def patch_schema(tools: ToolRegistry) -> dict[str, JsonValue]:
    """The schema of a patch's wire form."""
    return {
        "type": "object",
        "properties": {
            "add": steps_schema(tools),
            "replace": steps_schema(tools),
            "drop": {"type": "array", "items": {"type": "string"}},
            "answer": {"type": "string"},
        },
        "additionalProperties": False,
    }


def decision_schema(tools: ToolRegistry) -> dict[str, JsonValue]:
    """The schema of the joiner's decision."""
    return {
        "type": "object",
        "properties": {
            "action": {"enum": ["answer", "replan", "fail"]},
            "answer": {"type": "string"},
            "reason": {"type": "string"},
            "patch": patch_schema(tools),
        },
        "required": ["action"],
        "additionalProperties": False,
    }


def _step(tool: Tool) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": _ID},
            "tool": {"const": tool.name},
            "args": _arguments(tool),
            "after": {"type": "array", "items": {"type": "string"}},
            "when": {"type": "string"},
            "for_each": {"anyOf": [_REFERENCE, {"type": "array"}]},
            "note": {"type": "string"},
            "on_failure": {"enum": [policy.value for policy in OnFailure]},
        },
        "required": ["id", "tool", "args"],
        "additionalProperties": False,
    }


def _arguments(tool: Tool) -> dict[str, JsonValue]:
    schema = dict(tool.parameters)
    properties = schema.get("properties")
    assert isinstance(properties, dict)
    if "$defs" in schema:
        # References into definitions do not survive being moved into a larger document.
        open_properties: dict[str, JsonValue] = {name: {} for name in properties}
        schema = {key: value for key, value in schema.items() if key != "$defs"}
        schema["properties"] = open_properties
        return schema
    schema["properties"] = {name: _or_reference(each) for name, each in properties.items()}
    return schema


def _or_reference(schema: JsonValue) -> JsonValue:
    """`schema`, with a reference allowed in place of the value and of every value inside it."""
    if not isinstance(schema, dict):
        return schema
    if schema.keys() <= {"type", "description", "default"} and schema.get("type") == "string":
        return schema
    return {"anyOf": [_inside(schema), _REFERENCE]}


def _inside(schema: JsonValue) -> JsonValue:
    if not isinstance(schema, dict):
        return schema
    changed = dict(schema)
    for key, value in schema.items():
        if key in ("items", "additionalProperties"):
            changed[key] = _or_reference(value)
        elif key == "properties" and isinstance(value, dict):
            changed[key] = {name: _or_reference(each) for name, each in value.items()}
        elif key == "prefixItems" and isinstance(value, list):
            changed[key] = [_or_reference(each) for each in value]
        elif key in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            changed[key] = [_inside(each) for each in value]
    return changed
