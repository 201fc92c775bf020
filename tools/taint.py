"""Which schemas carry text: what may hold words that were written to be obeyed."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.core.json_value import JsonSchema, JsonValue

_WITHOUT_TEXT = frozenset({"number", "integer", "boolean", "null"})
_DEEPEST = 32


def carries_text(schema: JsonSchema) -> bool:
    """Whether a value of `schema` may hold text that its author chose.

    Numbers, truth values, null, `const` and `enum` hold none, nor do objects of a closed set of
    such members. Everything else does: lists, too, which can spell a text number by number.
    """
    return _carries(schema, schema, 0)


def _carries(schema: JsonValue | JsonSchema, root: JsonSchema, depth: int) -> bool:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return True
    if "const" in schema or "enum" in schema:
        return False
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/$defs/")
        known = root.get("$defs")
        return not isinstance(known, Mapping) or _carries(known.get(name), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and choices:
            return any(_carries(each, root, depth + 1) for each in choices)
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds and all(each == "object" or each in _WITHOUT_TEXT for each in kinds):
        return _object_carries(schema, root, depth)
    return not kinds or not all(each in _WITHOUT_TEXT for each in kinds)


def _object_carries(schema: Mapping[str, JsonValue], root: JsonSchema, depth: int) -> bool:
    members = schema.get("properties")
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    if not closed or not isinstance(members, Mapping):
        return True
    return any(_carries(each, root, depth + 1) for each in members.values())
