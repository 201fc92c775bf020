"""Checking plans against tools: what is wrong is found, what may be right is let pass."""

from typing import Any

import pytest

from treadle import Plan, tool
from treadle.core.errors import PlanError
from treadle.planner import check_plan
from treadle.tools import ToolRegistry


@tool
def number() -> int:
    """A number."""
    return 1


@tool
def text() -> str:
    """A text."""
    return ""


@tool
def record() -> dict[str, int]:
    """A record."""
    return {}


@tool
def numbers() -> list[int]:
    """Numbers."""
    return []


@tool
def anything() -> Any:
    """Anything."""


@tool
def takes(
    n: int = 0, s: str = "", items: list[int] | None = None, either: int | str = 0, any_: Any = 0
) -> int:
    """Take."""
    return n


@tool
def needs(a: int, b: int) -> int:
    """Need."""
    return a + b


TOOLS = ToolRegistry([number, text, record, numbers, anything, takes, needs])


def check(*steps: dict[str, Any]) -> None:
    check_plan(Plan.from_wire({"steps": [{"args": {}, **step} for step in steps]}), TOOLS)


SOURCES = [
    {"id": each, "tool": each} for each in ("number", "text", "record", "numbers", "anything")
]


@pytest.mark.parametrize(
    "args",
    [
        {"n": "${number}"}, {"n": "${text}"}, {"n": "${anything}"}, {"n": "${record.x}"},
        {"n": "${numbers[0]}"}, {"s": "${text}"}, {"s": "${anything}"}, {"s": "n is ${record}"},
        {"items": "${numbers}"}, {"items": "${anything}"}, {"items": ["${number}", 2]},
        {"either": "${text}"}, {"either": "${number}"}, {"any_": {"deep": ["${record}"]}},
        {"n": "12"}, {"items": None},
    ],
)  # fmt: skip
def test_what_may_fit_is_let_pass(args: dict[str, Any]) -> None:
    check(*SOURCES, {"id": "t", "tool": "takes", "args": args})


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"n": "${record}"}, "type_mismatch"),
        ({"n": "${numbers}"}, "type_mismatch"),
        ({"items": "${number}"}, "type_mismatch"),
        ({"items": "n is ${number}"}, "type_mismatch"),
        ({"s": ["${text}"]}, "type_mismatch"),
        ({"either": "${numbers}"}, "type_mismatch"),
        ({"n": "many"}, "invalid_arguments"),
        ({"items": ["x"]}, "invalid_arguments"),
        ({"wrong": 1}, "invalid_arguments"),
        ({"wrong": "${number}"}, "invalid_arguments"),
    ],
)
def test_what_cannot_fit_is_found(args: dict[str, Any], code: str) -> None:
    with pytest.raises(PlanError) as caught:
        check(*SOURCES, {"id": "t", "tool": "takes", "args": args})
    assert (caught.value.code, caught.value.step_id) == (code, "t")


def test_missing_arguments_and_unknown_tools() -> None:
    with pytest.raises(PlanError, match="missing: b"):
        check(SOURCES[0], {"id": "t", "tool": "needs", "args": {"a": "${number}"}})
    with pytest.raises(PlanError, match=r"unknown_tool.*did you mean.*number"):
        check({"id": "t", "tool": "numbr"})


def test_fan_outs() -> None:
    check(
        SOURCES[3], {"id": "t", "tool": "takes", "args": {"n": "${item}"}, "for_each": "${numbers}"}
    )
    each = {"id": "e", "tool": "number", "for_each": [1, 2]}
    check(each, {"id": "t", "tool": "takes", "args": {"items": "${e}"}})
    for broken in (
        {"id": "t", "tool": "takes", "for_each": "${number}"},
        {"id": "t", "tool": "takes", "for_each": [1], "args": {"items": "${index}"}},
    ):
        with pytest.raises(PlanError, match="type_mismatch"):
            check(SOURCES[0], broken)


def test_a_step_whose_error_is_its_output_may_give_anything() -> None:
    lenient = {"id": "n", "tool": "number", "on_failure": "value"}
    check(
        lenient, {"id": "t", "tool": "takes", "args": {"any_": "${n.error.code}", "items": "${n}"}}
    )
