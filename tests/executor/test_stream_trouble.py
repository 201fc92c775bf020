"""Streams that break off, are patched, paused, given up: no item is lost, doubled or misplaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle import Plan, Runtime
from treadle.core.errors import PlanError, ToolError
from treadle.core.events import StepFinished, StepRetrying, StepStarted
from treadle.executor.node import State
from treadle.planner.patch import PlanPatch
from treadle.testing import ScriptedModel
from treadle.tools import tool

BOUND = 15
"""Generous: means that it does not hang."""


@tool
async def double(x: Any) -> Any:
    """Twice as much."""
    return 2 * x


@tool
async def total(x: list[int]) -> int:
    """The sum."""
    return sum(x)


class Source:
    """A tool `source` that gives what is put into it, until None, or an error."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.ended = False

        @tool
        async def source() -> AsyncIterator[int]:
            """Give numbers."""
            while (item := await self.items.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
            self.ended = True

        self.tool = source

    def give(self, *items: Any) -> None:
        for item in items:
            self.items.put_nowait(item)


class Reader:
    """A tool `use` whose calls end when they are told to."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.change = asyncio.Condition()
        self.may_end: set[int] = set()

        @tool
        async def use(x: int) -> int:
            """Ten times as much, when it may."""
            async with self.change:
                self.begun.append(x)
                self.change.notify_all()
                await self.change.wait_for(lambda: x in self.may_end)
            return 10 * x

        self.tool = use

    async def has_begun(self, *items: int) -> None:
        async with asyncio.timeout(BOUND), self.change:
            await self.change.wait_for(lambda: set(items) <= set(self.begun))

    async def end(self, *items: int) -> None:
        async with self.change:
            self.may_end.update(items)
            self.change.notify_all()


def reads(step_id: str, name: str = "use", source: str = "s", **fields: Any) -> dict[str, Any]:
    return step(step_id, name, for_each="${" + source + "}", x="${item}", **fields)


async def test_a_pause_before_a_retry_outlives_no_withdrawal() -> None:
    source = Source()
    source.give(1)

    @tool
    async def use(x: int) -> int:
        """Fail, but tell the source."""
        source.give(ToolError("broken", "it broke"))
        raise ToolError("flaky", "again", retryable=True)

    driver = Driver([source.tool, use])
    retry = {"attempts": 5, "delay": 1, "max_delay": 1}
    driver.start(plan_of(step("s", "source"), reads("u", retry=retry)))
    outcome = await driver.end(BOUND)
    assert outcome.statuses == {"s": "failed", "u": "skipped"}
    assert len(outcome.events(StepRetrying)) == 1


@pytest.mark.parametrize("policy", ["fail", "value", "replan", "cancel"])
async def test_the_source_goes_on_when_its_reader_has_failed(policy: str) -> None:
    source = Source()
    source.give(1)

    @tool
    async def use(x: int) -> int:
        """Fail at once, and let the source go on."""
        source.give(2, 3, None)
        raise ToolError("broken", "it broke")

    plan = plan_of(step("s", "source"), reads("u", on_failure=policy), step("t", "total", x="${s}"))
    async with asyncio.timeout(BOUND):
        outcome = await execute(plan, [source.tool, use, total], max_parallel=2)
    if policy == "cancel":
        assert outcome.statuses == {"s": "cancelled", "u": "failed", "t": "cancelled"}
        assert not source.ended
        return
    assert source.ended
    assert outcome.steps["t"].output == 6
    assert outcome.statuses["u"] == ("succeeded" if policy == "value" else "failed")
    if policy == "value":
        value: Any = outcome.steps["u"].output
        assert [each["error"]["code"] for each in value] == ["broken"] * 3


@pytest.mark.parametrize("policy", ["fail", "skip", "value", "replan", "cancel"])
async def test_what_becomes_of_the_readers_of_a_source_that_fails(policy: str) -> None:
    source, reader = Source(), Reader()
    driver = Driver([source.tool, reader.tool])
    try:
        plan = plan_of(step("s", "source", on_failure=policy), reads("u"), reads("v"))
    except PlanError:
        pytest.skip("there is no such policy")
    source.give(1, 2)
    driver.start(plan)
    await reader.has_begun(1, 2)
    await reader.end(1)
    source.give(ToolError("broken", "it broke"))
    outcome = await driver.end(BOUND)
    assert outcome.code("s") == "broken"
    assert outcome.statuses["u"] == outcome.statuses["v"]
    expected = {"value": "failed", "cancel": "cancelled"}.get(policy, "skipped")
    assert outcome.statuses["u"] in {expected, "skipped"}
    if policy == "value":
        assert outcome.code("u") == "for_each_not_a_list"


async def test_a_source_that_is_cancelled_takes_its_readers_along() -> None:
    source, reader = Source(), Reader()
    driver = Driver([source.tool, reader.tool])
    source.give(1, 2)
    driver.start(plan_of(step("s", "source"), reads("u")))
    await reader.has_begun(1, 2)
    driver.execution.cancel()
    outcome = await driver.end(BOUND)
    assert outcome.statuses == {"s": "cancelled", "u": "cancelled"}


async def test_readers_of_one_source_and_a_reader_of_a_reader() -> None:
    source = Source()
    source.give(*range(50), None)
    plan = plan_of(
        step("s", "source"),
        reads("u", "double"),
        reads("v", "double"),
        reads("w", "double", source="u"),
        step("t", "total", x="${w}"),
    )
    async with asyncio.timeout(BOUND):
        outcome = await execute(plan, [source.tool, double, total], max_parallel=2)
    assert outcome.steps["u"].output == outcome.steps["v"].output == [2 * n for n in range(50)]
    assert outcome.steps["w"].output == [4 * n for n in range(50)]
    assert outcome.steps["t"].output == sum(4 * n for n in range(50))


async def test_a_reader_that_is_added_late_gets_the_first_items_too() -> None:
    source, reader = Source(), Reader()
    driver = Driver([source.tool, reader.tool])
    plan = plan_of(step("s", "source"), reads("u"))
    driver.execution.add(plan["s"])
    source.give(1, 2)
    while driver.execution.graph.nodes["s"].streamed != [1, 2]:
        await asyncio.sleep(0)
    driver.execution.add(plan["u"])
    driver.execution.seal(plan)
    await reader.has_begun(1, 2)
    source.give(3, None)
    await reader.end(1, 2, 3)
    outcome = await driver.end(BOUND)
    assert outcome.steps["u"].output == [10, 20, 30]


async def test_patches_while_a_stream_is_open() -> None:
    source, reader = Source(), Reader()
    async with Runtime(
        model=ScriptedModel([]), tools=[source.tool, reader.tool, double, total], builtins=False
    ) as runtime:
        plan = Plan.from_wire(
            {
                "steps": [
                    step("s", "source"),
                    reads("u"),
                    step("t", "total", x="${s}"),
                    step("d", "total", x="${u}"),
                ],
                "answer": "${d} ${t}",
            }
        )
        async with runtime.stream(plan) as stream:
            source.give(1, 2)
            await reader.has_begun(1, 2)
            changes: list[Any] = [{"drop": ["u"]}, {"replace": [reads("u", "double")]}]
            for refused in changes:
                with pytest.raises(PlanError):
                    stream.patch(PlanPatch.from_wire(refused))
            stream.patch(
                PlanPatch.from_wire(
                    {
                        "add": [reads("late", "double")],
                        "replace": [step("d", "total", x="${late}")],
                        "drop": ["t"],
                        "answer": {"u": "${u}", "late": "${late}", "d": "${d}"},
                    }
                )
            )
            source.give(3, None)
            await reader.end(1, 2, 3)
            await asyncio.wait_for(stream.ended(), BOUND)
    assert stream.result.answer == {"u": [10, 20, 30], "late": [2, 4, 6], "d": 12}
    assert sorted(reader.begun) == [1, 2, 3]


async def test_a_pause_lets_the_source_end_and_starts_no_item(tmp_path: Any) -> None:
    source, reader = Source(), Reader()
    plan = Plan.from_wire({"steps": [step("s", "source"), reads("u")], "answer": "${u}"})
    async with Runtime(
        model=ScriptedModel([]),
        tools=[source.tool, reader.tool],
        builtins=False,
        database=f"sqlite:///{tmp_path}/runs.db",
        artifacts=tmp_path / "artifacts",
    ) as runtime:
        async with runtime.stream(plan) as stream:
            source.give(1)
            await reader.has_begun(1)
            stream.pause()
            source.give(2, 3, None)
            await reader.end(1)
            await asyncio.wait_for(stream.ended(), BOUND)
        assert stream.result.status == "paused"
        assert reader.begun == [1]
        assert source.ended
        await reader.end(2, 3)
        result = await asyncio.wait_for(runtime.resume(stream.result.run_id), BOUND)
    assert result.answer == [10, 20, 30]
    assert reader.begun == [1, 2, 3], "what was done is not done again"


async def test_each_life_of_a_run_reads_its_own_items(tmp_path: Any) -> None:
    lives = [[1, 2], [5, 6, 7], []]
    hold = asyncio.Event()
    used: asyncio.Queue[int] = asyncio.Queue()

    @tool
    async def source() -> AsyncIterator[int]:
        """Give other numbers each time."""
        items = lives.pop(0)
        for item in items:
            yield item
        if items:
            await hold.wait()

    @tool
    async def use(x: int) -> int:
        """Ten times as much."""
        used.put_nowait(x)
        return 10 * x

    plan = Plan.from_wire({"steps": [step("s", "source"), reads("u")], "answer": "${u}"})
    async with Runtime(
        model=ScriptedModel([]),
        tools=[source, use],
        builtins=False,
        database=f"sqlite:///{tmp_path}/runs.db",
        artifacts=tmp_path / "artifacts",
    ) as runtime:
        run_id: str | None = None
        for items in ([1, 2], [5, 6, 7]):
            stream = runtime.stream(plan) if run_id is None else await runtime.reopen(run_id)
            async with stream:
                async with asyncio.timeout(BOUND):
                    for _ in items:
                        await used.get()
                stream.cancel()
                await asyncio.wait_for(stream.ended(), BOUND)
            run_id = stream.result.run_id
        assert run_id is not None
        result = await asyncio.wait_for(runtime.resume(run_id), BOUND)
    assert (result.status, result.answer) == ("succeeded", [])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("waits", [False, True])
async def test_a_long_stream_leaves_the_loop_and_its_readers_their_turns(waits: bool) -> None:
    count, turns, over, ended_at = 20_000, 0, False, -1
    used = 0

    async def other() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    @tool
    async def source() -> AsyncIterator[int]:
        """Give many numbers."""
        nonlocal ended_at
        for number in range(count):
            yield number
            if waits:
                await asyncio.sleep(0)
        ended_at = used

    @tool
    async def use(x: int) -> int:
        """Count the calls."""
        nonlocal used
        used += 1
        return x

    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        driver = Driver([source, use])
        driver.start(plan_of(step("s", "source"), reads("u")))
        outcome = await driver.end(100)
        over = True
    assert outcome.state is State.SUCCEEDED
    assert used == count
    assert ended_at > 0, "the reader began before the source had ended"
    assert turns >= 100


async def test_every_item_has_one_result_in_the_record() -> None:
    source = Source()
    source.give(*range(200), None)
    outcome = await execute(
        plan_of(step("s", "source"), reads("u", "double")), [source.tool, double], max_parallel=3
    )
    starts = [event.step_id for event in outcome.events(StepStarted)]
    assert starts.count("u") == 1
    ended = [event.step_id for event in outcome.events(StepFinished)]
    assert ended == ["s", "u"]
