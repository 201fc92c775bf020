"""A second call where the first takes long."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.executor.calling.worker import Worker, failure, settle

from treadle.core.clock import SystemClock
from treadle.core.errors import ToolError
from treadle.executor.calling import ToolCaller
from treadle.executor.calling.hedge import hedged
from treadle.executor.calling.tasks import CallTasks
from treadle.testing import FakeClock
from treadle.tools import RateLimit, Tool, tool


async def begun(
    caller: ToolCaller, clock: FakeClock, worker: Worker, work: Tool
) -> asyncio.Task[object]:
    """A call whose second one is under way."""
    call: asyncio.Task[object] = asyncio.create_task(caller.call(work, {}, timeout=10))
    await worker.until(1)
    await clock.wait_for_sleepers()
    clock.advance(2)
    await worker.until(2)
    return call


async def test_a_quick_call_is_made_once(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    call = asyncio.create_task(caller.call(worker.tool(hedge=2), {}))
    await worker.until(1)
    await clock.wait_for_sleepers()
    clock.advance(1)
    worker.calls[0].end.set_result("quick")
    assert await call == "quick"
    assert len(worker.calls) == 1
    assert clock.sleepers == 0


@pytest.mark.parametrize("winner", [0, 1])
async def test_the_first_success_counts(
    caller: ToolCaller, clock: FakeClock, worker: Worker, winner: int
) -> None:
    call = await begun(caller, clock, worker, worker.tool(hedge=2))
    worker.calls[winner].end.set_result(winner)
    assert await call == winner
    assert worker.calls[1 - winner].cancelled
    assert not worker.calls[winner].cancelled


@pytest.mark.parametrize("loser", [0, 1])
async def test_a_failure_waits_for_the_other(
    caller: ToolCaller, clock: FakeClock, worker: Worker, loser: int
) -> None:
    call = await begun(caller, clock, worker, worker.tool(hedge=2))
    worker.calls[loser].end.set_exception(failure())
    await settle()
    assert not call.done()
    worker.calls[1 - loser].end.set_result("well")
    assert await call == "well"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_failures_the_first_counts(
    caller: ToolCaller, clock: FakeClock, worker: Worker, order: tuple[int, int]
) -> None:
    call = await begun(caller, clock, worker, worker.tool(hedge=2))
    for code, each in zip(("first", "second"), order, strict=True):
        worker.calls[each].end.set_exception(failure(code))
        await settle()
    with pytest.raises(ToolError) as raised:
        await call
    assert raised.value.code == "first"


async def test_a_failure_before_the_second_call_is_no_reason_for_one(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    call = asyncio.create_task(caller.call(worker.tool(hedge=2), {}))
    await worker.until(1)
    worker.calls[0].end.set_exception(failure())
    with pytest.raises(ToolError, match="down"):
        await call
    assert len(worker.calls) == 1
    assert clock.sleepers == 0


async def test_cancelling_takes_both_along(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    call = await begun(caller, clock, worker, worker.tool(hedge=2))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [made.cancelled for made in worker.calls] == [True, True]


async def test_cancelling_before_the_second_call(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    call = asyncio.create_task(caller.call(worker.tool(hedge=2), {}))
    await worker.until(1)
    await clock.wait_for_sleepers()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [made.cancelled for made in worker.calls] == [True]
    assert clock.sleepers == 0


async def test_the_second_call_respects_the_rate_limit(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    work = worker.tool(hedge=2, rate=RateLimit(1, 50))
    call = asyncio.create_task(caller.call(work, {}))
    await worker.until(1)
    await clock.wait_for_sleepers()
    clock.advance(2)
    await settle()
    assert len(worker.calls) == 1
    worker.calls[0].end.set_result("alone")
    assert await call == "alone"


async def test_no_second_call_where_it_would_have_no_time(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    call = asyncio.create_task(caller.call(worker.tool(hedge=5), {}, timeout=5))
    await worker.until(1)
    assert clock.sleepers == 0
    worker.calls[0].end.set_result("alone")
    assert await call == "alone"


@pytest.mark.parametrize(("late", "given"), [(0, [10, 8]), (3, [10, 5]), (8, [10])])
async def test_the_second_call_has_what_is_left(
    clock: FakeClock, late: int, given: list[float]
) -> None:
    got: list[float] = []
    end = asyncio.Event()

    async def call(seconds: float) -> str:
        got.append(seconds)
        await end.wait()
        return "end"

    hedge = hedged(
        call, after=2, seconds=10, may_start=lambda: True, clock=clock, tasks=CallTasks()
    )
    task = asyncio.create_task(hedge)
    await clock.wait_for_sleepers()
    clock.advance(2 + late)
    await settle()
    end.set()
    assert await task == "end"
    assert got == given


async def test_synchronous_tools_are_hedged_too() -> None:
    slow, numbers = threading.Event(), iter(range(2))

    @tool(hedge=0.01)
    def read() -> int:
        number = next(numbers)
        if number == 0:
            slow.wait(10)
        return number

    assert await ToolCaller(SystemClock()).call(read, {}) == 1
    slow.set()
