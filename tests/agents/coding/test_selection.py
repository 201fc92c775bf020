"""Candidates: what chooses among them, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from treadle.agents.coding.case import Call, Case, Seen
from treadle.agents.coding.disagreement import disagreements
from treadle.agents.coding.judge import CaseOutcome, Judgement
from treadle.agents.coding.loop import Candidate
from treadle.agents.coding.model_use import ModelUse
from treadle.agents.coding.proposed_cases import distinguishing_calls, proposed_cases
from treadle.agents.coding.selection import select
from treadle.agents.coding.suite import Suite
from treadle.testing import ScriptedModel

# Every judgement is a process or more, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

GIVEN = Case(Call("f", (0,)), 0)
MADE_UP = (
    Case(Call("f", (1,)), 1, source="generated"),
    Case(Call("f", (2,)), 2, source="generated"),
)
SUITE = Suite(cases=(GIVEN, *MADE_UP))


def candidate(code: str, *values: object) -> tuple[Candidate, Mapping[bytes, Seen]]:
    outcomes = tuple(
        CaseOutcome(case, Seen(value, repr(value)))  # type: ignore[arg-type]
        for case, value in zip(SUITE.cases, values, strict=True)
    )
    judgement = Judgement((), outcomes, "", SUITE)
    return Candidate(code, judgement, 1, 0), {each.case.call.key: each.seen for each in outcomes}


async def test_given_tests_count_before_those_that_were_made_up() -> None:
    pool = [candidate("fits what was made up", 9, 1, 2), candidate("right", 0, 9, 9)]
    selected = await select(ModelUse(ScriptedModel()), "task", pool)
    assert (selected.candidate.code, selected.by) == ("right", "tests")


async def test_then_those_that_were_made_up_vote() -> None:
    pool = [candidate("a", 0, 9, 9), candidate("b", 0, 1, 9), candidate("c", 9, 1, 2)]
    selected = await select(ModelUse(ScriptedModel()), "task", pool)
    assert (selected.candidate.code, selected.by) == ("b", "tests")


async def test_then_the_behaviour_of_most_and_of_those_the_shortest() -> None:
    pool = [candidate("odd", 0, 1, 7), candidate("long one", 0, 1, 8), candidate("short", 0, 1, 8)]
    selected = await select(ModelUse(ScriptedModel()), "task", pool)
    assert (selected.candidate.code, selected.by) == ("short", "majority")


async def test_and_then_the_model_chooses() -> None:
    pool = [candidate("one", 0, 1, 7), candidate("two", 0, 1, 8)]
    model = ScriptedModel([{"choice": 2, "why": "it is right"}])
    selected = await select(ModelUse(model), "task", pool)
    assert (selected.candidate.code, selected.by) == ("two", "model")


async def test_a_choice_that_is_none_leaves_the_first_and_says_so() -> None:
    pool = [candidate("one", 0, 1, 7), candidate("two", 0, 1, 8)]
    for model in (ScriptedModel([{"choice": 5}]), ScriptedModel(lambda request: "the second")):
        selected = await select(ModelUse(model), "task", pool)
        assert (selected.candidate.code, selected.by) == ("one", "first")


def test_inputs_on_which_candidates_differ_come_before_those_where_only_a_test_does() -> None:
    outcomes = [candidate(str(n), 0, 9, last)[1] for n, last in enumerate((2, 2, 3))]
    other = Call("f", (5,))
    for number, each in enumerate(outcomes):
        assert isinstance(each, dict)
        each[other.key] = Seen(number, str(number))
    found = disagreements("task", outcomes, MADE_UP, [other])
    assert [str(each.call) for each in found] == ["f(5)", "f(2)", "f(1)"]
    assert [(each.shown, each.candidates) for each in found[1].options] == [
        ("returns 2", 2),
        ("returns 3", 1),
    ]
    assert [(each.shown, each.candidates) for each in found[2].options] == [
        ("returns 9", 3),
        ("returns 1", 0),
    ]


def test_where_all_agree_nobody_is_asked() -> None:
    outcomes = [candidate(str(n), 0, 1, 2)[1] for n in range(3)]
    assert disagreements("task", outcomes, MADE_UP) == []
    assert disagreements("task", [], MADE_UP) == []


def test_no_end_is_no_option() -> None:
    call = Call("f", (5,))
    outcomes = [{call.key: Seen(1, "1")}, {call.key: Seen(ended="it took too long")}]
    assert disagreements("task", outcomes, (), [call]) == []


async def test_made_up_tests_are_bounded_and_leave_the_examples_alone() -> None:
    cases = [{"function": "f", "args": [n], "expected": n} for n in range(50)]
    cases += [{"function": "__import__", "args": ["os"]}, {"function": "a.b", "args": []}]
    model = ScriptedModel([{"cases": cases[:1] * 3 + cases}])
    made = await proposed_cases(ModelUse(model), "task", wanted=5, entry="f", examples=(GIVEN,))
    assert [each.call.args for each in made] == [(1,), (2,), (3,), (4,), (5,)]
    assert {each.source for each in made} == {"generated"}


async def test_calls_that_tell_programs_apart_are_calls() -> None:
    calls = [{"function": "f", "args": [1]}, {"function": "f", "args": [1]}, {"function": "1f"}]
    model = ScriptedModel([{"calls": calls}])
    found = await distinguishing_calls(ModelUse(model), "task", ["a", "b"], wanted=5)
    assert found == (Call("f", (1,)),)
