"""Schemas of strangers: made fit for use, and bounded."""

import pytest

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.mcp.schema import argument_schema, output_schema
from treadle.tools.schema_signature import signature_for


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "object",
        {"type": "array"},
        {"type": "objekt"},
        {"properties": []},
        {"$ref": "http://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"properties": {"a": {"$ref": "#/nowhere"}}},
        {"$dynamicRef": "#x"},
        {"description": "x" * 70_000},
    ],
)
def test_what_is_no_schema_for_arguments_is_refused(document: object) -> None:
    with pytest.raises(ToolError) as failed:
        argument_schema("t", document)  # type: ignore[arg-type]
    assert failed.value.code == "mcp_bad_schema"


def test_a_schema_that_is_too_deep_is_refused() -> None:
    document: dict = {"type": "object"}
    for _ in range(50):
        document = {"type": "object", "properties": {"a": document}}
    with pytest.raises(ToolError, match="deep"):
        argument_schema("t", document)


def test_references_are_resolved_or_moved() -> None:
    schema = argument_schema(
        "t",
        {
            "definitions": {"T": {"type": "string"}},
            "properties": {
                "a": {"$ref": "#/definitions/T"},
                "b": {"$ref": "#/properties/c"},
                "c": {"type": "null"},
            },
        },
    )
    assert schema["$defs"] == {"T": {"type": "string"}}
    assert schema["properties"] == {
        "a": {"$ref": "#/$defs/T"},
        "b": {"type": "null"},
        "c": {"type": "null"},
    }


def test_a_schema_that_holds_itself_ends() -> None:
    schema = argument_schema("t", {"properties": {"a": {"items": {"$ref": "#/properties/a"}}}})
    signature_for(schema, {}).check("t", {"a": [[["x"]]]})


def test_a_schema_that_explodes_ends_in_an_error() -> None:
    layers: dict[str, JsonValue] = {}
    for i in range(40):
        layers[f"d{i}"] = {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]}
    layers["d40"] = {}
    schema = output_schema("t", {"$ref": "#/$defs/d0", "$defs": layers})
    with pytest.raises(ToolError, match="too much to check"):
        signature_for({}, schema).output("t", "x")


def test_a_schema_without_an_end_ends_in_an_error() -> None:
    schema = output_schema(
        "t", {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}
    )
    with pytest.raises(ToolError) as failed:
        signature_for({}, schema).output("t", "x")
    assert failed.value.code == "invalid_output"
