"""Identical calls under way share one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.executor.calling.worker import Worker, failure, settle, until

from treadle.core.errors import ToolError
from treadle.executor.calling import ToolCaller
from treadle.executor.calling.single_flight import SingleFlight
from treadle.executor.calling.tasks import CallTasks
from treadle.testing import FakeClock
from treadle.tools import tool


async def test_identical_calls_share_one(caller: ToolCaller, worker: Worker) -> None:
    work = worker.tool(effect="pure", cache=5)
    calls = [asyncio.create_task(caller.call(work, {"key": key})) for key in "aabab"]
    await worker.until(2)
    await settle()
    assert [made.key for made in worker.calls] == ["a", "b"]
    for made in worker.calls:
        made.end.set_result(made.key)
    assert [await each for each in calls] == ["a", "a", "b", "a", "b"]


async def test_a_failure_reaches_everybody_and_is_not_kept(
    caller: ToolCaller, worker: Worker
) -> None:
    work = worker.tool(effect="pure", cache=5)
    calls = [asyncio.create_task(caller.call(work, {})) for _ in range(3)]
    await worker.until(1)
    worker.calls[0].end.set_exception(failure())
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(end, ToolError) and end.code for end in ends] == ["down"] * 3
    again = asyncio.create_task(caller.call(work, {}))
    await worker.until(2)
    worker.calls[1].end.set_result("now")
    assert await again == "now"


async def test_the_call_outlives_whoever_started_it(caller: ToolCaller, worker: Worker) -> None:
    work = worker.tool(effect="pure", cache=5)
    first, second = (asyncio.create_task(caller.call(work, {})) for _ in range(2))
    await worker.until(1)
    first.cancel()
    await settle()
    assert first.cancelled()
    worker.calls[0].end.set_result("kept")
    assert await second == "kept"


async def test_the_last_waiter_takes_the_call_along(caller: ToolCaller, worker: Worker) -> None:
    work = worker.tool(effect="pure", cache=5)
    calls = [asyncio.create_task(caller.call(work, {})) for _ in range(3)]
    await worker.until(1)
    for each in calls:
        each.cancel()
    # One that asks at this moment must not get the cancelled call.
    late = asyncio.create_task(caller.call(work, {}))
    await worker.until(2)
    assert worker.calls[0].cancelled
    worker.calls[1].end.set_result("late")
    assert await late == "late"
    assert all(each.cancelled() for each in calls)


async def test_nobody_joins_a_call_that_is_stuck(clock: FakeClock, worker: Worker) -> None:
    caller = ToolCaller(clock)
    work = worker.tool(effect="pure", cache=5)
    stuck = asyncio.create_task(caller.call(work, {}, timeout=10))
    await worker.until(1)
    clock.advance(20)
    fresh = asyncio.create_task(caller.call(work, {}, timeout=10))
    await worker.until(2)
    for made in worker.calls:
        made.end.set_result("end")
    assert [await stuck, await fresh] == ["end", "end"]


async def test_calls_that_have_less_time_are_others(caller: ToolCaller, worker: Worker) -> None:
    work = worker.tool(effect="pure", cache=5)
    calls = [asyncio.create_task(caller.call(work, {}, timeout=each)) for each in (10, 20, 10)]
    await worker.until(2)
    await settle()
    for number, made in enumerate(worker.calls):
        made.end.set_result(number)
    assert [await each for each in calls] == [0, 1, 0]


async def test_a_call_that_ignores_its_cancellation_is_left_behind(caller: ToolCaller) -> None:
    go, stuck = asyncio.Event(), asyncio.Event()

    @tool(effect="pure", cache=5)
    async def stubborn() -> str:
        while not go.is_set():
            try:
                stuck.set()
                await go.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    call = asyncio.create_task(caller.call(stubborn, {}))
    await stuck.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go.set()
    await until(lambda: not caller._tasks)


async def test_close_stops_what_is_under_way(caller: ToolCaller, worker: Worker) -> None:
    call = asyncio.create_task(caller.call(worker.tool(effect="pure", cache=5), {}))
    await worker.until(1)
    await caller.close()
    assert worker.calls[0].cancelled
    with pytest.raises(ToolError) as raised:
        await call
    assert raised.value.code == "tool_failed"


_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("ab")),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["give", "fail"]), st.integers(0, 9)),
        st.just(("run", 0)),
    ),
    max_size=30,
)


@given(actions=_ACTIONS)
@settings(max_examples=200, deadline=None)
def test_every_waiter_ends_as_its_call_does(actions: list[tuple[str, Any]]) -> None:
    asyncio.run(_play(actions))


async def _play(actions: list[tuple[str, Any]]) -> None:
    tasks = CallTasks()
    flights: SingleFlight[int] = SingleFlight(FakeClock(), tasks)
    worker = Worker()
    waiters: list[tuple[str, asyncio.Task[int]]] = []
    cancelled: set[asyncio.Task[int]] = set()

    async def work(key: str) -> Any:
        return await worker.tool().call({"key": key})

    for action, detail in actions:
        if action == "ask":
            share = flights.share(detail, lambda key=detail: work(key), 100)  # type: ignore[misc]
            waiters.append((detail, asyncio.create_task(share)))
        elif action == "cancel" and waiters:
            _, task = waiters[detail % len(waiters)]
            if task.cancel():
                cancelled.add(task)
        elif action in ("give", "fail") and worker.calls:
            end = worker.calls[detail % len(worker.calls)].end
            if not end.done() and action == "give":
                end.set_result(detail)
            elif not end.done():
                end.set_exception(failure())
        elif action == "run":
            await settle()
            under_way = [made.key for made in worker.calls if not made.end.done()]
            assert len(under_way) == len(set(under_way)) == len(flights)
            wanted = {key for key, task in waiters if not task.done()}
            assert wanted == set(under_way)
    await settle()
    for made in worker.calls:
        if not made.end.done():
            made.end.set_result(-1)
    for _, task in waiters:
        await asyncio.wait((task,))
        assert task.cancelled() == (task in cancelled)
    await settle()
    assert not tasks
    assert not flights
    assert asyncio.all_tasks() == {asyncio.current_task()}
