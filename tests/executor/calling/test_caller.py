"""A call through all its guards, and one through none."""

from __future__ import annotations

import asyncio

import pytest
from tests.executor.calling.worker import Worker, failure, settle

from treadle.core.clock import SystemClock
from treadle.core.errors import ToolError
from treadle.executor.calling import ToolCaller
from treadle.testing import FakeClock
from treadle.tools import CircuitBreaker, RateLimit, tool


async def test_a_tool_that_declares_nothing_is_called_directly(caller: ToolCaller) -> None:
    @tool(effect="write", idempotent=True)
    async def send(text: str, *, idempotency_key: str) -> str:
        return f"{text} {idempotency_key}"

    call = caller.call(send, {"text": "hi"}, idempotency_key="k")
    assert call.__qualname__ == "Tool.call"
    assert await call == "hi k"


async def test_the_key_reaches_a_guarded_tool(caller: ToolCaller) -> None:
    @tool(effect="write", idempotent=True, rate=RateLimit(1, 1), circuit=CircuitBreaker())
    async def send(*, idempotency_key: str) -> str:
        return idempotency_key

    assert await caller.call(send, {}, idempotency_key="k") == "k"


async def test_the_timeout_reaches_a_guarded_tool() -> None:
    caller, worker = ToolCaller(SystemClock()), Worker()
    for declared in ({"cache": 5.0}, {"circuit": CircuitBreaker()}, {"hedge": 0.001}):
        with pytest.raises(ToolError) as raised:
            await caller.call(worker.tool(effect="pure", **declared), {}, timeout=0.05)
        assert raised.value.code == "tool_timeout"


async def test_bad_arguments_take_no_turn_and_say_nothing_about_the_tool(
    caller: ToolCaller, worker: Worker
) -> None:
    work = worker.tool(rate=RateLimit(1, 100), circuit=CircuitBreaker(failures=1))
    for _ in range(3):
        with pytest.raises(ToolError) as raised:
            await caller.call(work, {"unknown": 1})
        assert raised.value.code == "invalid_arguments"
    call = asyncio.create_task(caller.call(work, {}))
    await worker.until(1)
    worker.calls[0].end.set_result(1)
    assert await call == 1


async def test_all_guards_together(caller: ToolCaller, clock: FakeClock, worker: Worker) -> None:
    work = worker.tool(
        effect="pure",
        cache=100,
        rate=RateLimit(2, 10),
        circuit=CircuitBreaker(failures=1, seconds=20),
        hedge=4,
    )
    asked = [asyncio.create_task(caller.call(work, {"key": "a"})) for _ in range(3)]
    await worker.until(1)
    await clock.wait_for_sleepers()
    clock.advance(4)
    await worker.until(2)  # the hedged call, which is the last that the rate limit has left
    worker.calls[1].end.set_result({"got": "a"})
    assert [await each for each in asked] == [{"got": "a"}] * 3
    assert worker.calls[0].cancelled

    late = asyncio.create_task(caller.call(work, {"key": "b"}))
    await settle()
    assert len(worker.calls) == 2
    clock.advance(6)
    await worker.until(3)
    worker.calls[2].end.set_exception(failure())
    with pytest.raises(ToolError, match="down"):
        await late
    with pytest.raises(ToolError) as raised:
        await caller.call(work, {"key": "b"})
    assert raised.value.code == "circuit_open"
    # What is known needs no tool.
    assert await caller.call(work, {"key": "a"}) == {"got": "a"}


def test_one_event_loop_after_another() -> None:
    caller = ToolCaller(SystemClock())

    @tool(effect="pure", cache=60, rate=RateLimit(100, 1), circuit=CircuitBreaker(), hedge=30)
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    async def several(start: int) -> list[object]:
        return list(
            await asyncio.gather(
                *(caller.call(double, {"number": start + i % 5}) for i in range(20))
            )
        )

    for start in range(3):
        assert asyncio.run(several(start))[:5] == [2 * (start + i) for i in range(5)]


def test_a_loop_that_died_in_the_middle_blocks_nobody() -> None:
    caller = ToolCaller(FakeClock())
    worker = Worker()
    work = worker.tool(
        effect="pure", cache=60, rate=RateLimit(1, 50), circuit=CircuitBreaker(failures=1)
    )

    async def stuck() -> None:
        # Held on to, or else they are collected, which is a tidier end.
        left.extend(asyncio.create_task(caller.call(work, {"key": key})) for key in "ab")
        await worker.until(1)
        await settle()

    async def fresh(number: int) -> object:
        call = asyncio.create_task(caller.call(work, {"key": "a"}))
        await clock_moves()
        await worker.until(number)
        worker.calls[-1].end.set_result("done")
        return await call

    async def clock_moves() -> None:
        await settle()
        clock = caller._clock
        assert isinstance(clock, FakeClock)
        clock.advance(50)

    left: list[asyncio.Task[object]] = []
    first = asyncio.new_event_loop()
    first.run_until_complete(stuck())
    assert asyncio.run(fresh(2)) == "done"
    for task in left:
        task.cancel()
    first.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    first.close()
