"""Suites: what is accepted as tests, and what they want."""

from __future__ import annotations

import pytest

from treadle.agents.coding.case import Call, Case
from treadle.agents.coding.suite import MOST_TESTS_CHARACTERS, Suite
from treadle.core.errors import InputError


@pytest.mark.parametrize(
    "tests",
    [
        "def test_(: pass",
        "x = 1",
        "def helper():\n    assert False",
        "\0",
        "(" * 10_000,
        "#" * 500_000,
    ],
)
def test_what_tests_nothing_is_refused(tests: str) -> None:
    with pytest.raises(InputError) as caught:
        Suite(tests)
    assert caught.value.code == "bad_tests"
    assert MOST_TESTS_CHARACTERS < 500_000


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        ("from solution import add, Stack\ndef test_a(): add(1, 2)", ("Stack", "add")),
        ("assert add(1, 2) == len([3, 3, 3])", ("add",)),
        ("def helper(x): return x\nassert helper(mul(2, 2)) == 4", ("mul",)),
        ("import math\ndef check(candidate):\n    assert candidate(math.pi)", ()),
        ("from main import run\nassert run()", ("run",)),
    ],
)
def test_the_names_that_tests_want(tests: str, names: tuple[str, ...]) -> None:
    assert Suite(tests).names() == names


def test_only_what_others_say_decides() -> None:
    made_up = Case(Call("f"), 1, source="generated")
    assert not Suite().decides
    assert not Suite(cases=(made_up,)).decides
    assert Suite(cases=(made_up,)).decisive == ("given", "person", "generated")
    assert Suite(cases=(made_up, Case(Call("g"), 1))).decisive == ("given", "person")
    assert Suite("assert f()").decides


def test_what_a_person_says_takes_the_place_of_what_was_made_up() -> None:
    suite = Suite(cases=(Case(Call("f", (1,)), 1, source="generated"),))
    decided = suite.with_cases(Case(Call("f", (1,)), 2, source="person"))
    assert [(each.expected, each.source) for each in decided.cases] == [(2, "person")]
