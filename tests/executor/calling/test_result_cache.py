"""Results used again: for how long, how many, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.executor.calling import ToolCaller
from treadle.executor.calling.result_cache import Frozen, ResultCache
from treadle.testing import FakeClock
from treadle.tools import Tool, tool

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def counting(**declared: Any) -> Tool:
    numbers: Iterator[int] = count(1)

    @tool(effect="pure", **declared)
    async def work(value: Any = None) -> Any:
        return {"call": next(numbers), "list": [1]}

    return work


async def test_a_result_is_used_again_until_its_time_is_over(
    caller: ToolCaller, clock: FakeClock
) -> None:
    work = counting(cache=10)
    assert await caller.call(work, {}) == {"call": 1, "list": [1]}
    clock.advance(9)
    assert await caller.call(work, {}) == {"call": 1, "list": [1]}
    clock.advance(1)
    assert await caller.call(work, {}) == {"call": 2, "list": [1]}


async def test_nobody_can_change_a_kept_result(caller: ToolCaller) -> None:
    work = counting(cache=10)
    for _ in range(3):
        got = await caller.call(work, {})
        assert got == {"call": 1, "list": [1]}
        assert isinstance(got, dict)
        assert isinstance(got["list"], list)
        got["list"].append(2)
        got["more"] = True


async def test_tools_and_arguments_are_told_apart(caller: ToolCaller) -> None:
    first, second = counting(cache=10), counting(cache=10)
    assert first.name == second.name
    values: list[Any] = [1, 1.0, True, "1", [1], None, {"a": 1, "b": 2}]
    for number, value in enumerate(values, 1):
        assert await caller.call(first, {"value": value}) == {"call": number, "list": [1]}
    assert await caller.call(second, {"value": 1}) == {"call": 1, "list": [1]}
    # The order of keys is none of an object's properties.
    assert await caller.call(first, {"value": {"b": 2, "a": 1}}) == {"call": 7, "list": [1]}


async def test_a_tool_without_a_cache_is_called_each_time(caller: ToolCaller) -> None:
    work = counting()
    assert await caller.call(work, {}) == {"call": 1, "list": [1]}
    assert await caller.call(work, {}) == {"call": 2, "list": [1]}


async def test_arguments_that_are_no_json_are_not_shared(caller: ToolCaller) -> None:
    work = counting(cache=10)
    odd: dict[str, Any] = {"value": {1, 2}}
    assert await caller.call(work, odd) == {"call": 1, "list": [1]}
    assert await caller.call(work, odd) == {"call": 2, "list": [1]}


@given(value=_JSON)
def test_a_frozen_result_thaws_to_what_it_was(value: Any) -> None:
    frozen = Frozen.of(value)
    thawed = frozen.thaw()
    assert repr(thawed) == repr(value)
    if isinstance(value, list | dict):
        assert thawed is not value
        assert frozen.thaw() is not thawed


def test_the_one_not_used_for_longest_goes_first() -> None:
    cache = ResultCache(FakeClock(), most_results=2)
    for key in "ab":
        cache.keep(key, Frozen.of(key), 10)
    assert cache.get("a") == Frozen.of("a")
    cache.keep("c", Frozen.of("c"), 10)
    assert cache.get("b") is None
    assert [cache.get(key) for key in "ac"] == [Frozen.of("a"), Frozen.of("c")]


@pytest.mark.parametrize("make", [lambda n: "x" * n, lambda n: ["x" * (n - 4)]])
def test_large_results_do_not_pile_up(make: Any) -> None:
    cache = ResultCache(FakeClock(), most_characters=100)
    cache.keep("large", Frozen.of(make(101)), 10)
    assert cache.get("large") is None
    cache.keep("a", Frozen.of(make(60)), 10)
    cache.keep("b", Frozen.of(make(60)), 10)
    assert cache.get("a") is None
    assert cache.get("b") == Frozen.of(make(60))
    cache.keep("b", Frozen.of(make(40)), 10)
    cache.keep("c", Frozen.of(make(60)), 10)
    assert len(cache) == 2
