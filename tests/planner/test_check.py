"""Checking plans against tools: what is wrong is found, what may be right is let pass."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any, Literal

import pytest
from pydantic import BaseModel

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


@tool
def dated(
    day: date, moment: datetime, wait: timedelta, host: IPv4Address, colour: Literal["red"] = "red"
) -> Decimal:
    """Take what pydantic converts from numbers."""
    return Decimal(1)


class Row(BaseModel):
    """A row."""

    name: str
    cells: list[int] = []
    below: "Row | None" = None


@tool
def row() -> Row:
    """A row."""
    return Row(name="")


@tool
def several(row: Row | list[Row], count: int | None = None, at: tuple[int, ...] = ()) -> Any:
    """Take several."""


MORE = ToolRegistry([*TOOLS.values(), dated, row, several])


def check_more(*steps: dict[str, Any]) -> None:
    sources = [*SOURCES, {"id": "row", "tool": "row"}]
    document = {"steps": [{"args": {}, **step} for step in [*sources, *steps]]}
    check_plan(Plan.from_wire(document), MORE)  # type: ignore[arg-type]


DATES = {"day": "${number}", "moment": "${number}", "wait": "${number}", "host": "${number}"}


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("dated", DATES),
        ("dated", {**DATES, "wait": "${text}", "day": "${anything.day}"}),
        ("several", {"row": "${row}"}),
        ("several", {"row": ["${row}"]}),
        ("several", {"row": "${row.below}"}),
        ("several", {"row": "${row}", "count": "${row.cells[0]}"}),
        ("several", {"row": "${row}", "count": "${text}", "at": "${numbers}"}),
        ("several", {"row": "${anything}", "count": "${anything[0].x}"}),
        ("takes", {"n": "${row.below.below.cells[-1]}", "s": "${row.name}"}),
        ("takes", {"s": "${row.unheard}"}),
    ],
)
def test_no_false_alarms(name: str, args: dict[str, Any]) -> None:
    check_more({"id": "t", "tool": name, "args": args})


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("several", {"row": "${text}"}),
        ("several", {"row": "${row.cells[0]}"}),
        ("several", {"row": "${row}", "count": "${row.cells}"}),
        ("takes", {"s": "${row.cells}"}),
        ("takes", {"s": "${number}"}),
        ("takes", {"n": "${row.below}"}),
    ],
)
def test_paths_into_declared_types_are_followed(name: str, args: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="type_mismatch"):
        check_more({"id": "t", "tool": name, "args": args})


def test_items_are_never_guessed() -> None:
    for each in ("${numbers}", ["a", 1], "${anything}", "${row.cells}"):
        args = {"s": "${item}", "n": "${item.x[0]}", "any_": "${index}"}
        check_more({"id": "t", "tool": "takes", "for_each": each, "args": args})
    fan = {"id": "f", "tool": "text", "for_each": [1]}
    check_more(fan, {"id": "t", "tool": "takes", "args": {"n": "${f[0]}", "s": "${f[0].x}"}})


@pytest.mark.parametrize("policy", ["fail", "skip", "cancel", "replan"])
def test_only_the_policy_value_opens_the_type(policy: str) -> None:
    with pytest.raises(PlanError, match="type_mismatch"):
        check_more(
            {"id": "n", "tool": "number", "on_failure": policy},
            {"id": "t", "tool": "takes", "args": {"items": "${n}"}},
        )


def test_errors_name_the_step_and_stay_short() -> None:
    for step, code in (
        ({"id": "t", "tool": "x" * 100_000}, "unknown_tool"),
        ({"id": "t", "tool": "takes", "args": {f"y{n}": "${number}" for n in range(9_000)}},
         "invalid_arguments"),
        ({"id": "t", "tool": "takes", "args": {f"y{n}": n for n in range(9_000)}},
         "invalid_arguments"),
    ):  # fmt: skip
        with pytest.raises(PlanError) as caught:
            check_more(step)
        assert (caught.value.code, caught.value.step_id) == (code, "t")
        assert len(str(caught.value)) < 1_000
