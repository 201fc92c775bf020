"""What crosses between a snippet and the host."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.codemode.json_edge import json_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_json_comes_through_as_it_is(value: object) -> None:
    found = json_of(value, 1_000_000)
    assert json.loads(json.dumps(found)) == found == value


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"bytes", object(), {1: 2}, {(1,): 2}, float("nan"), float("inf"), 1 << 5000, 2j],
    ids=lambda value: type(value).__name__,
)
def test_what_json_does_not_know_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"it holds|keys are texts"):
        json_of([value], 1_000_000)


def test_sizes_are_bounded_whatever_the_shape() -> None:
    nested: list[object] = []
    for _ in range(100):
        nested = [nested]
    shared: list[object] = ["x" * 100]
    for _ in range(20):
        shared = [shared, shared]
    for value in (nested, shared, "x" * 2000, {"x" * 2000: 1}, list(range(2000))):
        with pytest.raises(ValueError, match="it "):
            json_of(value, 1000)


def test_tuples_become_lists_and_halves_of_pairs_are_replaced() -> None:
    assert json_of((1, ("a",)), 100) == [1, ["a"]]
    assert json_of("half \ud800", 100) == "half ?"
