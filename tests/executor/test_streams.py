"""Steps that give their output item by item, and steps that take it so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.executor.conftest import execute, plan_of, step

from treadle import Plan, Runtime
from treadle.core.errors import ToolError
from treadle.core.events import StepFinished, StepStarted
from treadle.executor.node import State
from treadle.planner import Plan as PlanType
from treadle.testing import ScriptedModel
from treadle.tools import Tool, streaming, tool


@tool
async def use(x: Any) -> str:
    """Use an item."""
    return f"used {x}"


def reading(source: str = "source", **fields: Any) -> PlanType:
    return plan_of(
        step("s", source),
        step("u", "use", for_each="${s}", x="${item}", **fields),
        answer="${u}",
    )


def in_step() -> tuple[Tool, Tool]:
    """A source that gives its next item only when the one before was used."""
    used: asyncio.Queue[int] = asyncio.Queue()

    @tool
    async def source() -> AsyncIterator[int]:
        """Give numbers."""
        for number in range(3):
            yield number
            assert await used.get() == number

    @tool(name="use")
    async def use_it(x: int) -> int:
        """Use a number."""
        used.put_nowait(x)
        return 10 * x

    return source, use_it


async def test_a_reader_works_on_an_item_before_the_next_one_is_there() -> None:
    async with asyncio.timeout(10):
        outcome = await execute(reading(), in_step())
    assert outcome.state is State.SUCCEEDED
    assert outcome.steps["s"].output == [0, 1, 2]
    assert outcome.steps["u"].output == [0, 10, 20]


async def test_readers_go_on_when_the_source_has_ended_and_not_before() -> None:
    outcome = await execute(reading(), in_step())
    ended = [event.step_id for event in outcome.events(StepFinished)]
    assert ended == ["s", "u"]


async def test_a_synchronous_generator_streams_as_well() -> None:
    used = threading.Semaphore(0)

    @tool
    def source() -> Iterator[str]:
        """Give letters."""
        for letter in "ab":
            yield letter
            assert used.acquire(timeout=10)

    @tool(name="use")
    async def use_it(x: str) -> str:
        """Use a letter."""
        used.release()
        return x.upper()

    outcome = await execute(reading(), [source, use_it])
    assert outcome.steps["u"].output == ["A", "B"]


async def test_one_call_at_a_time_is_enough() -> None:
    @tool
    async def source() -> AsyncIterator[int]:
        """Give numbers."""
        for number in range(5):
            yield number
            await asyncio.sleep(0)

    outcome = await execute(reading(), [source, use], max_parallel=1)
    assert outcome.steps["u"].output == [f"used {number}" for number in range(5)]


async def test_an_empty_stream_is_an_empty_list() -> None:
    @tool
    async def source() -> AsyncIterator[int]:
        """Give nothing."""
        numbers: list[int] = []
        for number in numbers:
            yield number

    outcome = await execute(reading(), [source, use])
    assert outcome.steps["u"].output == []


@tool(name="source")
async def broken() -> AsyncIterator[int]:
    """Give two numbers, then fail."""
    yield 1
    yield 2
    await asyncio.sleep(0)
    raise ToolError("broken", "it broke", retryable=True)


async def test_readers_of_what_breaks_off_are_skipped() -> None:
    outcome = await execute(reading(), [broken, use])
    assert outcome.state is State.FAILED
    assert outcome.code("s") == "broken"
    assert outcome.statuses["u"] == "skipped"
    assert outcome.code("u") == "dependency_failed"


async def test_calls_on_what_breaks_off_end_and_do_not_count() -> None:
    stopped: list[Any] = []

    @tool(name="use")
    async def slow(x: Any) -> None:
        """Take for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(x)

    async with asyncio.timeout(10):
        outcome = await execute(reading(), [broken, slow], max_parallel=3)
    assert outcome.statuses == {"s": "failed", "u": "skipped"}
    assert sorted(stopped) == [1, 2]


async def test_a_stream_whose_items_are_in_use_is_not_tried_again() -> None:
    plan = plan_of(
        step("s", "source", retry={"attempts": 3, "delay": 0.001}),
        step("u", "use", for_each="${s}", x="${item}"),
    )
    outcome = await execute(plan, [broken, use])
    attempts = [event for event in outcome.events(StepStarted) if event.step_id == "s"]
    assert len(attempts) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"when": "${s[0]} > 0"},
        {"x": "${item} of ${s}"},
    ],
)
async def test_a_reader_that_needs_the_whole_waits_for_it(fields: dict[str, Any]) -> None:
    ended = False

    @tool
    async def source() -> AsyncIterator[int]:
        """Give numbers."""
        nonlocal ended
        yield 1
        await asyncio.sleep(0)
        yield 2
        ended = True

    @tool(name="use")
    async def check(x: Any) -> bool:
        """Look whether the source has ended."""
        return ended

    plan = plan_of(step("s", "source"), step("u", "use", for_each="${s}", **{"x": 0, **fields}))
    outcome = await execute(plan, [source, check])
    assert outcome.steps["u"].output == [True, True]


async def test_what_has_effects_waits_for_the_whole() -> None:
    ended = False

    @tool
    async def source() -> AsyncIterator[int]:
        """Give numbers."""
        nonlocal ended
        yield 1
        await asyncio.sleep(0)
        ended = True

    @tool(name="use", effect="write", undo=lambda result, x: None)
    async def write(x: Any) -> bool:
        """Look whether the source has ended."""
        return ended

    outcome = await execute(reading(), [source, write])
    assert outcome.steps["u"].output == [True]


async def test_an_item_that_does_not_fit_fails_the_source() -> None:
    @tool
    async def source() -> AsyncIterator[int]:
        """Give something else."""
        yield 1
        yield "two"  # type: ignore[misc]

    outcome = await execute(reading(), [source, use])
    assert outcome.code("s") == "invalid_output"


async def test_a_stream_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MOST_ITEMS", 100)

    @tool
    async def source() -> AsyncIterator[int]:
        """Never end."""
        while True:
            yield 1

    outcome = await execute(reading(), [source, use])
    assert outcome.code("s") == "stream_too_long"


async def test_a_stream_in_a_thread_ends_with_its_cancellation() -> None:
    begun, over = threading.Event(), threading.Event()

    @tool
    def source() -> Iterator[int]:
        """Go on and on."""
        try:
            while True:
                begun.set()
                yield 1
        finally:
            over.set()

    running = asyncio.create_task(source.call({}))
    assert await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await asyncio.to_thread(over.wait, 10)


def test_the_schema_of_a_stream_is_that_of_a_list() -> None:
    assert in_step()[0].returns == {"type": "array", "items": {"type": "integer"}}


async def test_a_resumed_reader_forgets_the_items_of_a_stream_that_was_cut(tmp_path: Path) -> None:
    numbers = [1, 2]
    hold = asyncio.Event()
    used = asyncio.Event()

    @tool
    async def source() -> AsyncIterator[int]:
        """Give numbers, other ones each time."""
        for number in numbers:
            yield number
        await hold.wait()

    @tool(name="use")
    async def use_it(x: int) -> int:
        """Use a number."""
        if x == 2:
            used.set()
        return 10 * x

    plan = Plan.from_wire(reading().wire())
    async with Runtime(
        model=ScriptedModel([]),
        tools=[source, use_it],
        builtins=False,
        database=f"sqlite:///{tmp_path}/runs.db",
    ) as runtime:
        async with runtime.stream(plan) as stream:
            await asyncio.wait_for(used.wait(), 10)
            await asyncio.sleep(0)
            stream.cancel()
            await stream.ended()
        assert stream.result.status == "cancelled"
        numbers[:] = [7, 8, 9]
        hold.set()
        result = await runtime.resume(stream.result.run_id)
    assert result.status == "succeeded"
    assert result.answer == [70, 80, 90]
