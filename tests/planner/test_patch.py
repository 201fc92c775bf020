"""Patches: the one way in which a plan changes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import PlanError
from treadle.planner import Plan, PlanPatch


def doc(step_id: str, *after: str) -> dict[str, Any]:
    return {"id": step_id, "tool": "t", "args": {}, "after": list(after)}


PLAN = Plan.from_wire({"steps": [doc("s"), doc("a", "s"), doc("b", "a")], "answer": "${b}"})


def apply(patch: Any, started: tuple[str, ...] = ("s",)) -> Plan:
    return PlanPatch.from_wire(patch).apply(PLAN, started)


def code_of(patch: Any) -> str:
    with pytest.raises(PlanError) as caught:
        apply(patch)
    return caught.value.code


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"drop": ["b"]}, "dangling_reference"),
        ({"drop": ["b"], "answer": "${a}", "replace": [doc("b")]}, "bad_patch"),
        ({"replace": [doc("b"), doc("b", "s")]}, "bad_patch"),
        ({"add": [doc("c"), doc("c")]}, "duplicate_id"),
        ({"add": [doc("b")]}, "duplicate_id"),
        ({"replace": [doc("z")]}, "unknown_step"),
        ({"replace": [doc("a", "b")]}, "cycle"),
        ({"add": [doc("c", "d"), doc("d", "c")]}, "cycle"),
        ({"add": [doc("c", "nowhere")]}, "dangling_reference"),
        ({"add": 0}, "bad_patch"),
        ({"add": ""}, "bad_patch"),
        ({"add": {}}, "bad_patch"),
        ({"drop": False}, "bad_patch"),
        ({"drop": "b"}, "bad_patch"),
        ({"drop": [1]}, "bad_patch"),
        ({"add": [None]}, "bad_step"),
        ({"answer": "${z}"}, "dangling_reference"),
        ({"answer": "${"}, "bad_reference"),
        (None, "bad_patch"),
        ({"add": None, "drop": None, "replace": None, "answer": None}, "empty_patch"),
    ],
)
def test_refusals(patch: Any, code: str) -> None:
    assert code_of(patch) == code


def test_every_way_of_touching_a_started_step_is_refused() -> None:
    for patch in ({"drop": ["s"]}, {"replace": [doc("s")]}, {"drop": ["s"], "add": [doc("s")]}):
        assert code_of(patch) == "step_started"


def test_a_dropped_step_can_come_back_as_another() -> None:
    second = apply({"drop": ["a"], "add": [{**doc("a"), "tool": "u"}]})
    assert second["a"].tool == "u"
    assert [step.id for step in second.steps] == ["s", "a", "b"]
    assert (second.version, PLAN.version) == (2, 1)
    assert PLAN["a"].tool == "t", "the first version stays what it was"


def test_dropping_all_that_needs_it() -> None:
    second = apply({"drop": ["b", "a", "a"], "answer": "${s}"})
    assert [step.id for step in second.steps] == ["s"]
    with pytest.raises(PlanError, match="empty_plan"):
        PlanPatch.from_wire({"drop": ["a"]}).apply(Plan.from_wire({"steps": [doc("a")]}))


def test_a_long_chain_added_in_reverse() -> None:
    steps = [doc(f"c{n}", f"c{n - 1}" if n else "s") for n in range(3_000)]
    second = apply({"add": steps[::-1]})
    assert [step.id for step in second.steps][3:] == [f"c{n}" for n in range(3_000)]


names = st.sampled_from(["s", "a", "b", "c", "d", "z"])
patches = st.fixed_dictionaries(
    {},
    optional={
        "add": st.lists(st.builds(doc, names, names) | st.builds(doc, names), max_size=3),
        "replace": st.lists(st.builds(doc, names, names), max_size=2),
        "drop": st.lists(names, max_size=2),
        "answer": st.sampled_from(["${a}", "${b}", "x"]),
    },
)


@settings(max_examples=400)
@given(patches, st.frozensets(names))
def test_a_patch_gives_a_valid_plan_or_an_error(
    patch: dict[str, Any], started: frozenset[str]
) -> None:
    try:
        second = PlanPatch.from_wire(patch).apply(PLAN, started)
    except PlanError:
        return
    assert second.version == 2
    ids = {step.id for step in second.steps}
    before = {step.id for step in PLAN.steps}
    assert ids == before - set(patch.get("drop", ())) | {s["id"] for s in patch.get("add", ())}
    for step_id in started & before:
        assert second[step_id] == PLAN[step_id]
    assert Plan.from_json(second.to_json()) == second, "its order is valid"
