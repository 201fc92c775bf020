"""Cases: what counts as the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.agents.coding.case import Call, Case, Seen, same
from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonValue

VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_is_the_same_as_its_copy(value: JsonValue) -> None:
    copied = json.loads(json.dumps(value))
    assert same(value, copied)
    assert Seen(value).key == Seen(copied).key


@given(VALUES, VALUES)
def test_same_goes_both_ways(one: JsonValue, other: JsonValue) -> None:
    assert same(one, other) == same(other, one)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0.1 + 0.2, 0.3, True),
        (2, 2.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        ([1, [2]], [1, [2.0]], True),
        ([1], [1, 1], False),
        ({"a": None}, {}, False),
        (10**18, 10**18 + 1, False),
    ],
)
def test_what_tests_take_for_equal(one: JsonValue, other: JsonValue, equal: bool) -> None:
    assert same(one, other) is equal


def test_of_an_exception_the_name_counts_and_nothing_holds_without_an_end() -> None:
    case = Case(Call("f"), error="ValueError")
    assert case.holds(Seen(text="ValueError: any words", error="ValueError"))
    assert not case.holds(Seen(error="KeyError"))
    assert not case.holds(Seen(None))
    assert not Case(Call("f"), None).holds(Seen(ended="it took too long"))
    assert not Case(Call("f"), None).holds(Seen(error="ValueError"))


def test_equal_calls_have_equal_keys() -> None:
    assert Call("f", (1, [2]), {"a": 1}).key == Call("f", (1, [2]), {"a": 1}).key
    assert len({Call("f", (1,)).key, Call("f", ("1",)).key, Call("g", (1,)).key}) == 3
    assert str(Call("f", (1, "x"), {"y": None})) == "f(1, 'x', y=None)"


def test_a_call_in_words_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"'total\(1\)' is no call; write it like Case\(Call"
    ) as raised:
        Case("total(1)", 1)  # type: ignore[arg-type]
    assert raised.value.code == "bad_case"
