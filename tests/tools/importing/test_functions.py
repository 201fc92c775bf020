"""Tools from function specs, in every form that they are written in."""

from __future__ import annotations

from typing import Any

import pytest

from treadle.core.chat import FunctionSpec
from treadle.core.errors import ConfigError, ToolError
from treadle.tools import Effect
from treadle.tools.importing import tools_from_functions

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
FORMS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "weather", "description": "W", "parameters": PARAMETERS},
    },
    {"type": "function", "name": "weather", "description": "W", "parameters": PARAMETERS},
    {"name": "weather", "description": "W", "parameters": PARAMETERS},
    {"name": "weather", "description": "W", "input_schema": PARAMETERS},
    FunctionSpec("weather", "W", PARAMETERS),
]


async def call(name: str, arguments: dict[str, Any]) -> Any:
    return {"name": name, **arguments}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_is_the_same_tool(form: Any) -> None:
    weather = tools_from_functions([form], call)["weather"]
    assert weather.description == "W"
    assert weather.signature.names == ("city", "days")
    assert weather.effect is Effect.WRITE
    assert await weather.call({"city": "Bonn", "days": 2}) == {
        "name": "weather",
        "city": "Bonn",
        "days": 2,
    }
    for wrong in ({}, {"city": 3}, {"city": "x", "days": 0}, {"city": "x", "other": 1}):
        with pytest.raises(ToolError) as raised:
            await weather.call(wrong)
        assert raised.value.code == "invalid_arguments"
    weather.signature.check_known("weather", {"days": 3}, frozenset({"city"}))
    with pytest.raises(ToolError):
        weather.signature.check_known("weather", {"days": "three"}, frozenset({"city"}))


async def test_a_plain_function_may_make_the_calls() -> None:
    def made(name: str, arguments: dict[str, Any]) -> str:
        return f"{name}{arguments}"

    tools = tools_from_functions(
        [{"type": "function", "function": {"name": "now"}}], made, effect="pure"
    )
    assert await tools["now"].call({}) == "now{}"
    with pytest.raises(ToolError):
        await tools["now"].call({"x": 1})
    null = tools_from_functions([{"name": "now", "parameters": None, "strict": None}], made)
    assert null["now"].parameters["properties"] == {}


async def test_strict_asks_for_everything() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}},
        "additionalProperties": False,
    }
    strict = tools_from_functions(
        [{"type": "function", "name": "f", "parameters": schema, "strict": True}], call
    )
    assert strict["f"].signature.required == {"a"}
    assert await strict["f"].call({"a": None}) == {"name": "f", "a": None}
    open_schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    loose = tools_from_functions([{"name": "f", "parameters": open_schema}], call)
    assert await loose["f"].call({"anything": 3}) == {"name": "f", "anything": 3}
    with pytest.raises(ToolError):
        await loose["f"].call({"anything": "x"})


def test_definitions_inside_are_followed() -> None:
    schema = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
    }
    tree = tools_from_functions([{"name": "f", "parameters": schema}], call)["f"]
    tree.signature.check("f", {"tree": [[], [[]]]})
    with pytest.raises(ToolError):
        tree.signature.check("f", {"tree": [[3]]})


@pytest.mark.parametrize(
    "spec",
    [
        3, {}, {"name": "bad name"}, {"name": 3}, {"type": "web_search", "name": "f"},
        {"type": "function", "function": 3}, {"name": "f", "description": 3},
        {"name": "f", "parameters": []}, {"name": "f", "parameters": {"type": "string"}},
        {"name": "f", "parameters": {"properties": {"a": {"type": "nonsense"}}}},
        {"name": "f", "parameters": {"properties": {"a": {"$ref": "https://evil.example/s"}}}},
        {"name": "f", "strict": "yes"}, {"name": "f", "parameters": {"properties": 3}},
    ],
)  # fmt: skip
def test_what_is_no_spec_is_named(spec: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        tools_from_functions([FORMS[0], spec], call)
    assert raised.value.code == "bad_function_spec"
    assert raised.value.message.startswith("specs[1]")


def test_effects_are_told_by_name() -> None:
    tools = tools_from_functions(FORMS[:1], call, effects={"weather": "read"}, open_world=True)
    assert tools["weather"].effect is Effect.READ
    assert tools["weather"].gives_untrusted
    with pytest.raises(ConfigError, match="no function 'x'"):
        tools_from_functions(FORMS[:1], call, effects={"x": "read"})
    with pytest.raises(ConfigError, match="two tools"):
        tools_from_functions(FORMS[:2], call)
