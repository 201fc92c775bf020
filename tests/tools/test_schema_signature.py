"""Signatures from schemas that others wrote: checked, bounded, without their regular expressions."""

import pytest

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.schema_signature import signature_for, without_patterns

NUMBERS: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_arguments_are_checked() -> None:
    signature = signature_for(NUMBERS, {})
    assert signature.names == ("a", "b")
    assert signature.required == {"a"}
    assert signature.check("t", {"a": 1}) == {"a": 1}
    for wrong in ({}, {"a": "1"}, {"a": 1, "c": 2}, {"a": 1, "b": float("nan")}):
        with pytest.raises(ToolError) as failed:
            signature.check("t", wrong)
        assert failed.value.code == "invalid_arguments"


def test_half_known_arguments_are_checked_as_far_as_they_are_known() -> None:
    signature = signature_for(NUMBERS, {})
    signature.check_known("t", {"b": 1}, frozenset({"a"}))
    with pytest.raises(ToolError, match="missing: a"):
        signature.check_known("t", {"b": 1}, frozenset())
    with pytest.raises(ToolError, match="not of type 'integer'"):
        signature.check_known("t", {"b": "x"}, frozenset({"a"}))


def test_a_regular_expression_of_a_stranger_is_not_matched() -> None:
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}},
        "patternProperties": {"^(b+)+$": {}},
        "additionalProperties": False,
    }
    hostile = {"a": "a" * 100_000 + "!", "b" * 100_000 + "!": 1}
    assert signature_for(schema, {}).check("t", hostile) == hostile


def test_a_property_named_like_a_keyword_is_kept() -> None:
    schema: dict[str, JsonValue] = {
        "properties": {"pattern": {"type": "string"}, "x": {"default": {"pattern": "a"}}}
    }
    assert without_patterns(schema) == schema
