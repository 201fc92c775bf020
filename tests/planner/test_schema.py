"""The schema of plans: valid, stable, and as wide as what the checks let pass."""

from datetime import date
from enum import StrEnum
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from treadle import Plan, tool
from treadle.core.json_value import compact_json
from treadle.planner import check_plan
from treadle.planner.schema import decision_schema, patch_schema, plan_schema
from treadle.tools import ToolRegistry


class Colour(StrEnum):
    RED = "red"


class Box(BaseModel):
    size: int
    inner: list["Box"] = []


@tool
def scalars(n: int, s: str, f: float = 0.5, b: bool = False) -> int:
    """Take scalars."""
    return n


@tool
def choices(kind: Literal["x", "y"], day: date | None = None) -> str:
    """Take one of few."""
    return kind


@tool
def nested(rows: list[list[int]], table: dict[str, int], pair: tuple[int, str]) -> Any:
    """Take nested values."""


@tool
def boxed(box: Box, colour: Colour = Colour.RED) -> Any:
    """Take a box."""


@tool
def nothing() -> None:
    """Take nothing."""


@tool
def anything(value: Any, maybe: int | list[str] | None = None) -> Any:
    """Take anything."""


ALL = [scalars, choices, nested, boxed, nothing, anything]
small = st.integers(-9, 9)
values: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "scalars": {"n": small, "s": st.text(max_size=5).filter(lambda text: "${" not in text),
                "f": small, "b": st.booleans()},
    "choices": {"kind": st.sampled_from("xy"),
                "day": st.sampled_from(["2026-01-01", None])},
    "nested": {"rows": st.lists(st.lists(small, max_size=2), max_size=2),
               "table": st.dictionaries(st.sampled_from("kl"), small),
               "pair": st.tuples(small, st.just("t")).map(list)},
    "boxed": {"box": st.builds(lambda n: {"size": n, "inner": [{"size": 1}]}, small),
              "colour": st.just("red")},
    "nothing": {},
    "anything": {"value": st.lists(small, max_size=2), "maybe": st.none() | small},
}  # fmt: skip


@st.composite
def plans(draw: st.DrawFn) -> tuple[ToolRegistry, dict[str, Any]]:
    """A plan over some of the tools; any value of an argument may be a reference."""
    tools = draw(st.lists(st.sampled_from(ALL), min_size=1, unique_by=lambda each: each.name))
    steps: list[dict[str, Any]] = [{"id": "first", "tool": tools[0].name}]

    def with_references(value: Any) -> Any:
        if draw(st.integers(0, 3)) == 0:
            return "${first.part}"
        if isinstance(value, list):
            return [with_references(each) for each in value]
        if isinstance(value, dict):
            return {key: with_references(each) for key, each in value.items()}
        return value

    for number, each in enumerate([tools[0], *draw(st.lists(st.sampled_from(tools), max_size=3))]):
        literal = draw(st.fixed_dictionaries(values[each.name]))
        args = literal if number == 0 else {k: with_references(v) for k, v in literal.items()}
        step = {"id": f"s{number}" if number else "first", "tool": each.name, "args": args}
        if number:
            step |= draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "after": st.just(["first"]), "when": st.just("${first} == 1"),
                        "for_each": st.sampled_from([[1, 2], "${first.list}"]),
                        "note": st.just("n"), "on_failure": st.sampled_from(["skip", "value"]),
                    },
                )
            )  # fmt: skip
        steps = [*steps[1:], step] if number == 0 else [*steps, step]
    return ToolRegistry(tools), {"steps": steps, "answer": "got ${first}"}


@settings(max_examples=60)
@given(plans())
def test_what_passes_the_check_passes_the_schema(made: tuple[ToolRegistry, dict[str, Any]]) -> None:
    tools, document = made
    check_plan(Plan.from_wire(document), tools)
    schema = plan_schema(tools)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a", "tool": "unknown", "args": {}},
        {"id": "a.b", "tool": "nothing", "args": {}},
        {"id": "a", "tool": "nothing"},
        {"id": "a", "tool": "nothing", "args": {"x": 1}},
        {"id": "a", "tool": "nothing", "args": {}, "thought": "hm"},
        {"id": "a", "tool": "nothing", "args": {}, "on_failure": "shrug"},
        {"id": "a", "tool": "scalars", "args": {"n": 1}},
        {"id": "a", "tool": "scalars", "args": {"n": "many", "s": ""}},
        {"id": "a", "tool": "choices", "args": {"kind": "z"}},
        {"id": "a", "tool": "nested", "args": {"rows": [["x"]], "table": {}, "pair": [1, "t"]}},
        None,
    ],
)
def test_what_cannot_pass_is_kept_from_being_written(step: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"steps": [step]}, plan_schema(ToolRegistry(ALL)))


def test_the_same_tools_give_the_same_bytes() -> None:
    for make in (plan_schema, patch_schema, decision_schema):
        one, other = make(ToolRegistry(ALL)), make(ToolRegistry(ALL))
        assert compact_json(one) == compact_json(other)
        jsonschema.Draft202012Validator.check_schema(one)


def test_the_tools_own_schemas_are_not_changed() -> None:
    before = compact_json([each.parameters for each in ALL])
    plan_schema(ToolRegistry(ALL))
    assert compact_json([each.parameters for each in ALL]) == before


def test_without_tools_only_an_answer_is_left() -> None:
    schema = plan_schema(ToolRegistry())
    jsonschema.validate({"steps": [], "answer": "x"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"steps": [{"id": "a", "tool": "t", "args": {}}]}, schema)
