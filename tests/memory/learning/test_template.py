"""Templates: values go into their places and nowhere else, and nothing but a value goes there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.memory.learning.literals import Slot
from treadle.memory.learning.template import (
    Unbindable,
    Values,
    Wire,
    bound,
    explained_by,
    identity,
)
from treadle.planner.plan import Plan

numbers = st.integers(min_value=0, max_value=10**12).map(str)
pairs = st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1])


def plan(first: str, second: str) -> Wire:
    """Both values as numbers, whole texts, parts of texts, in a condition and in the answer."""
    return {
        "steps": [
            {"id": "s1", "tool": "add", "args": {"a": int(first), "b": [int(second)], "c": True}},
            {
                "id": "s2",
                "tool": "show",
                "args": {"text": f"{first} of {second}, ${{s1.x[0]}}", "whole": second},
                "for_each": "${s1.items}",
                "when": f"${{s1}} > {first}",
            },
        ],
        "answer": f"{second}: ${{s2}} and $${{{first}}}",
    }


def pair_values(old: tuple[str, str], new: tuple[str, str]) -> Values:
    return Values((Slot("int", each), value) for each, value in zip(old, new, strict=True))


@given(pairs, pairs)
def test_binding_is_what_the_planner_would_have_written(
    old: tuple[str, str], new: tuple[str, str]
) -> None:
    made, used = bound(plan(*old), pair_values(old, new))
    expected = plan(*new)
    expected["answer"] = f"{new[1]}: ${{s2}} and $${{{old[0]}}}"  # what is escaped is not touched
    assert made == expected
    assert used == set(old)
    back, _ = bound(made, pair_values(new, old))
    assert back == plan(*old)


@given(pairs)
def test_binding_to_the_same_values_changes_nothing(values: tuple[str, str]) -> None:
    made, _ = bound(plan(*values), pair_values(values, values))
    assert made == plan(*values)


@given(st.text(max_size=40))
def test_no_value_becomes_a_reference_or_breaks_out(value: str) -> None:
    template: Wire = {
        "steps": [
            {"id": "secret", "tool": "read", "args": {}},
            {
                "id": "s",
                "tool": "query",
                "args": {"whole": "kim", "sql": "select x from t where name = 'kim'"},
            },
        ]
    }
    try:
        made, _ = bound(template, Values([(Slot("text", "kim"), value)]))
    except Unbindable:
        return
    step = Plan.from_wire(made)["s"]
    assert step.needs == ()
    assert step.args["whole"] == value
    assert step.args["sql"] == f"select x from t where name = '{value}'"
    assert not set(value) & set("'\"`;\\()[]{}$<>|\n")
    assert "--" not in value


@pytest.mark.parametrize("value", ["${secret}", "a$${b}", "x', 1) --"])
def test_values_that_cannot_be_bound(value: str) -> None:
    template: Wire = {"steps": [{"id": "s", "tool": "t", "args": {"text": "kim", "q": "'kim'"}}]}
    with pytest.raises(Unbindable):
        bound(template, Values([(Slot("text", "kim"), value)]))


def test_one_value_cannot_become_two() -> None:
    with pytest.raises(Unbindable):
        Values([(Slot("int", "2"), "3"), (Slot("int", "2"), "4")])


def test_forms_of_a_path() -> None:
    slot = Slot("path:folders:csv", "in/old-sales.csv")
    template: Wire = {
        "steps": [
            {
                "id": "s",
                "tool": "t",
                "args": {
                    "path": "in/old-sales.csv",
                    "target": "in/old-sales.xlsx",
                    "copy": "safe/old-sales.csv",
                    "title": "About old-sales",
                    "sql": "select * from old_sales",
                    "other": "in/old-sales2.csv",
                },
            }
        ]
    }
    made, used = bound(template, Values([(slot, "out/new.bills.csv")]))
    steps = made["steps"]
    assert isinstance(steps, list)
    assert isinstance(steps[0], dict)
    assert steps[0]["args"] == {
        "path": "out/new.bills.csv",
        "target": "out/new.bills.xlsx",
        "copy": "safe/new.bills.csv",
        "title": "About new.bills",
        "sql": "select * from new_bills",
        "other": "in/old-sales2.csv",
    }
    assert "in/old-sales.csv" in used


def test_the_names_of_steps_do_not_tell_plans_apart() -> None:
    first: Wire = {
        "steps": [
            {"id": "a", "tool": "t", "args": {}, "note": "one"},
            {"id": "b", "tool": "u", "args": {"x": "${a.y} of a", "z": "$${a}"}, "after": ["a"]},
        ],
        "answer": "${b}",
    }
    second: Wire = {
        "steps": [
            {"id": "read", "tool": "t", "args": {}},
            {"id": "c", "tool": "u", "args": {"x": "${read.y} of a", "z": "$${a}"}, "after": ["read"]},
        ],
        "answer": "${c}",
    }  # fmt: skip
    assert identity(first) == identity(second)
    assert identity(first) != identity({**second, "answer": "${read}"})
    assert identity(first) != identity({**second, "answer": None})


def test_a_word_that_the_planner_has_added() -> None:
    told: Wire = {"steps": [{"id": "s", "tool": "t", "args": {"a": "kim", "b": "${s.city}"}}]}
    added: Wire = {"steps": [{"id": "s", "tool": "t", "args": {"where": "name = 'kim'"}}]}
    assert explained_by(told, "Find 'kim'")
    assert not explained_by(added, "Find 'kim'")
    assert explained_by(added, "Find the name 'kim'")
