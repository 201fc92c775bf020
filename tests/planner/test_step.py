"""Steps: their wire form, and the code for each way in which it can be wrong."""

from typing import Any

import pytest

from treadle.core.errors import PlanError
from treadle.planner import OnFailure, Retry, Step
from treadle.planner.step import MAX_TEXT


def read(**fields: Any) -> Step:
    return Step.from_wire({"id": "a", "tool": "t", **fields})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"args": {"x": "y" * (MAX_TEXT + 1)}}, "argument_too_large"),
        ({"args": {"x": [{"y": ["z" * 1_000_000]}]}}, "argument_too_large"),
        ({"for_each": ["y" * (MAX_TEXT + 1)]}, "argument_too_large"),
        ({"args": {"x": 10**5_000}}, "not_json"),
        ({"args": {1: 2}}, "not_json"),
        ({"id": "a" * 129}, "bad_step_id"),
        ({"id": "x" * 1_000_000}, "bad_step_id"),
        ({"id": "index"}, "bad_step_id"),
        ({"id": None}, "bad_step_id"),
        ({"id": "a\n"}, "bad_step_id"),
        ({"id": "é"}, "bad_step_id"),
        ({"after": ["b" * 1_000_000]}, "bad_step"),
        ({"after": [1]}, "bad_step"),
        ({"when": True}, "bad_step"),
        ({"note": {}}, "bad_step"),
        ({"for_each": "${a} and ${b}"}, "bad_step"),
        ({"for_each": {"x": 1}}, "bad_step"),
        ({"timeout": float("nan")}, "bad_step"),
        ({"timeout": float("inf")}, "bad_step"),
        ({"timeout": 10**400}, "bad_step"),
        ({"timeout": "5"}, "bad_step"),
        ({"retry": {"attempts": 2, "delay": -1}}, "bad_step"),
        ({"retry": {"attempts": 10**6}}, "bad_step"),
        ({"retry": True}, "bad_step"),
        ({"on_failure": []}, "bad_step"),
        ({"on_failure": True}, "bad_step"),
        ({"when": "${b} is sure"}, "bad_condition"),
        ({1: 2}, "unknown_field"),
        ({"depends_on": []}, "unknown_field"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(map(str, value)),
)
def test_what_is_wrong_has_a_code_and_a_short_message(fields: Any, code: str) -> None:
    with pytest.raises(PlanError) as caught:
        Step.from_wire({"id": "a", "tool": "t", **fields})
    assert caught.value.code == code
    assert len(str(caught.value)) < 500
    assert caught.value.step_id == ("a" if "id" not in fields else caught.value.step_id)


@pytest.mark.parametrize("document", [None, [], "step", 5, True])
def test_what_is_no_step_at_all(document: Any) -> None:
    with pytest.raises(PlanError, match="bad_step"):
        Step.from_wire(document)


def test_all_fields_survive_the_wire() -> None:
    step = read(
        args={"x": ["${b.c[0]}", {"y": "$${"}]}, after=["c"], when="${d} > 1", for_each=[1, "${e}"],
        note="why", timeout=5, retry=3, on_failure="skip",
    )  # fmt: skip
    again = Step.from_wire(step.wire())
    assert again == step
    assert hash(again) == hash(step)
    assert (step.retry, step.on_failure) == (Retry(3), OnFailure.SKIP)
    assert step.needs == ("e", "d", "b", "c")


def test_null_fields_are_absent_fields() -> None:
    nulls = dict.fromkeys(("after", "when", "for_each", "note", "timeout", "retry", "on_failure"))
    assert read(**nulls) == read()


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0, False), ("1", 1), ("", None)])
def test_values_of_other_types_make_other_steps(one: Any, other: Any) -> None:
    assert read(args={"x": one}) != read(args={"x": other})
    assert read(args={"x": one}) == read(args={"x": one})
    assert read() != "a step"


def test_the_order_of_arguments_does_not_count() -> None:
    one, other = read(args={"x": 1, "y": 2}), read(args={"y": 2, "x": 1})
    assert one == other
    assert hash(one) == hash(other)


def test_item_in_the_list_or_the_condition_is_no_item() -> None:
    assert read(for_each="${item}").needs == ("item",)
    assert read(for_each=[1], when="${item} > 1", args={"x": "${item}"}).needs == ("item",)
