"""Values cross the pipe to the code under test and come back the same."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.agents.coding.inside.wire_values import pack, unpack

hashable = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False)
)  # fmt: skip
values = st.recursive(
    hashable,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashable, inner, max_size=4), st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip


def none_left(*what: Any) -> Any:
    raise AssertionError(f"not plain: {what}")


@given(values, st.sampled_from([math.inf, 60]))
def test_plain_values_come_back_the_same(value: object, deepest: float) -> None:
    written = json.loads(json.dumps(pack(value, none_left, deepest)))
    found = unpack(written, none_left)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("number", [2**5000, -(2**5000), math.inf, -math.inf])
def test_numbers_that_json_has_no_room_for(number: float) -> None:
    assert (
        unpack(json.loads(json.dumps(pack(number, none_left), allow_nan=False)), none_left)
        == number
    )


def nested(kind: type, levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"k": value} if kind is dict else kind([value])
    return value


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_what_is_too_deep_is_left_to_the_other(kind: type) -> None:
    left: list[object] = []
    pack(nested(kind, 5), lambda value, deepest: left.append(value), 5)
    assert left == []
    pack(nested(kind, 6), lambda value, deepest: left.append(value), 5)
    assert left == [nested(kind, 1)]


def test_what_is_too_long_or_not_plain_is_left_to_the_other() -> None:
    left: list[object] = []
    thing = object()
    written = pack([[1, 2, 3], thing], lambda value, deepest: left.append(value), 9, 2)
    assert written == [None, None]
    assert left == [[1, 2, 3], thing]
    named: list[object] = []
    unpack({"~": "object", "v": 3}, lambda kind, value: named.append((kind, value["v"])))
    assert named == [("object", 3)]
