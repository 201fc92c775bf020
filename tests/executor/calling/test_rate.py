"""Calls wait for their turn: how long, in which order, counted how."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.executor.calling.worker import settle

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.executor.calling import ToolCaller
from treadle.executor.calling.rate import RateGate
from treadle.testing import FakeClock
from treadle.tools import RateLimit, Tool, tool


def by_host(arguments: Mapping[str, JsonValue]) -> str:
    return str(arguments["host"])


def noting(limit: RateLimit, clock: FakeClock, starts: list[tuple[str, float]]) -> Tool:
    @tool(effect="write", rate=limit)
    async def fetch(host: str = "") -> str:
        starts.append((host, clock.monotonic()))
        return host

    return fetch


async def advance(clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        await settle()
        clock.advance(1)
    await settle()


async def test_calls_wait_for_their_turn_in_order(caller: ToolCaller, clock: FakeClock) -> None:
    starts: list[tuple[str, float]] = []
    fetch = noting(RateLimit(2, 10), clock, starts)
    calls = [asyncio.create_task(caller.call(fetch, {"host": name})) for name in "abcde"]
    await advance(clock, 20)
    assert starts == [("a", 0), ("b", 0), ("c", 10), ("d", 10), ("e", 20)]
    assert [each.result() for each in calls] == list("abcde")


async def test_keys_are_counted_apart(caller: ToolCaller, clock: FakeClock) -> None:
    starts: list[tuple[str, float]] = []
    fetch = noting(RateLimit(1, 10, per=by_host), clock, starts)
    async with asyncio.TaskGroup() as group:
        for host in ["a", "b", "a", "b", "c"]:
            group.create_task(caller.call(fetch, {"host": host}))
        await advance(clock, 10)
    assert sorted(starts) == [("a", 0), ("a", 10), ("b", 0), ("b", 10), ("c", 0)]


async def test_too_long_a_wait_fails_at_once(caller: ToolCaller, clock: FakeClock) -> None:
    starts: list[tuple[str, float]] = []
    fetch = noting(RateLimit(1, 30), clock, starts)
    calls = [asyncio.create_task(caller.call(fetch, {})) for _ in range(5)]
    await settle()
    refused = [each for each in calls if each.done() and each.exception() is not None]
    assert refused == calls[3:]
    error = refused[0].exception()
    assert isinstance(error, ToolError)
    assert (error.code, error.retryable) == ("rate_limited", True)
    assert "1 times in 30 s" in error.message
    assert "in 90 s" in error.message
    await advance(clock, 60)
    assert [moment for _, moment in starts] == [0, 30, 60]
    await asyncio.gather(*calls[:3])


async def test_a_cancelled_call_gives_its_place_away(caller: ToolCaller, clock: FakeClock) -> None:
    starts: list[tuple[str, float]] = []
    fetch = noting(RateLimit(1, 10), clock, starts)
    calls = [asyncio.create_task(caller.call(fetch, {"host": name})) for name in "abcd"]
    await settle()
    calls[1].cancel()
    await settle()
    calls[2].cancel()
    await advance(clock, 10)
    assert starts == [("a", 0), ("d", 10)]
    await asyncio.gather(*calls, return_exceptions=True)


async def test_waiting_does_not_count_as_calling(caller: ToolCaller, clock: FakeClock) -> None:
    starts: list[tuple[str, float]] = []
    fetch = noting(RateLimit(1, 50), clock, starts)
    assert caller.extra_seconds(fetch) >= 50
    await caller.call(fetch, {})
    call = asyncio.create_task(caller.call(fetch, {}, timeout=1))
    await advance(clock, 50)
    assert await call == ""


@pytest.mark.parametrize(
    ("per", "said"),
    [(lambda arguments: arguments["other"], "KeyError"), (lambda arguments: 5, "5, no text")],
)
async def test_a_key_that_cannot_be_made_is_the_tools_failure(
    caller: ToolCaller, clock: FakeClock, per: Any, said: str
) -> None:
    fetch = noting(RateLimit(1, 10, per=per), clock, [])
    with pytest.raises(ToolError, match=said) as raised:
        await caller.call(fetch, {})
    assert raised.value.code == "tool_failed"


async def test_invented_keys_lift_no_limit(clock: FakeClock) -> None:
    gate = RateGate(RateLimit(1, 10, per=by_host), clock, most_keys=3)
    fetch = noting(RateLimit(1, 10), clock, [])

    def take(host: str) -> bool:
        return gate.take(fetch, {"host": host})

    assert [take(host) for host in "abc"] == [True, True, True]
    assert [take(host) for host in "xyz"] == [True, False, False]
    assert [take(host) for host in "abc"] == [False, False, False]
    clock.advance(10)
    assert [take(host) for host in "xyz"] == [True, True, True]


async def test_a_key_that_no_longer_counts_makes_room(clock: FakeClock) -> None:
    gate = RateGate(RateLimit(2, 10, per=by_host), clock, most_keys=2)
    fetch = noting(RateLimit(2, 10), clock, [])

    def take(host: str) -> bool:
        return gate.take(fetch, {"host": host})

    assert take("a")
    assert take("b")
    clock.advance(5)
    assert take("a")
    clock.advance(5)
    # Only "b" is past: "c" and "d" would share a count if "c" had not taken its place.
    assert [take("c"), take("c"), take("d"), take("d"), take("d")] == [True] * 4 + [False]


async def test_long_keys_are_told_apart(clock: FakeClock) -> None:
    gate = RateGate(RateLimit(1, 10, per=by_host), clock)
    fetch = noting(RateLimit(1, 10), clock, [])
    hosts = ["x" * 10_000 + end for end in ("a", "b", "a", "\ud800")]
    assert [gate.take(fetch, {"host": host}) for host in hosts] == [True, True, False, True]


@given(
    calls=st.integers(1, 4),
    seconds=st.integers(1, 6),
    arrivals=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=25),
)
@settings(max_examples=100, deadline=None)
def test_no_period_sees_more_than_was_declared_and_no_turn_is_lost(
    calls: int, seconds: int, arrivals: list[tuple[int, bool]]
) -> None:
    asyncio.run(_play(calls, seconds, arrivals))


async def _play(calls: int, seconds: int, arrivals: list[tuple[int, bool]]) -> None:
    clock, starts = FakeClock(), list[tuple[str, float]]()
    caller = ToolCaller(clock)
    fetch = noting(RateLimit(calls, seconds), clock, starts)
    arrivals = sorted(arrivals)
    tasks: list[asyncio.Task[JsonValue]] = []
    given_up: list[asyncio.Task[JsonValue]] = []
    queue, expected, refused = list(arrivals), list[float](), 0
    for now in range(13):
        while queue and queue[0][0] == now:
            _, gives_up = queue.pop(0)
            task = asyncio.create_task(caller.call(fetch, {"host": str(len(tasks))}))
            tasks.append(task)
            # Whoever gives up does so at once, if it does not start at once.
            await settle()
            if gives_up and not task.done():
                task.cancel()
                given_up.append(task)
                await settle()
                continue
            turn = float(now)
            if len(expected) >= calls:
                turn = max(turn, expected[-calls] + seconds)
            if turn - now > 60:
                refused += 1
            else:
                expected.append(turn)
        await settle()
        clock.advance(1)
    await advance(clock, 75)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [moment for _, moment in starts] == expected
    assert sum(isinstance(end, ToolError) for end in ends) == refused
    assert sum(isinstance(end, asyncio.CancelledError) for end in ends) == len(given_up)
    for moment in expected:
        assert sum(moment <= each < moment + seconds for each in expected) <= calls
