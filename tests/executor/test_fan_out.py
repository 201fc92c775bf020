"""`for_each`: one call per item of a list that is known only at run time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.executor.conftest import Driver, Outcome, execute, plan_of, step

from treadle.core.budget import Budget
from treadle.core.errors import ToolError
from treadle.core.events import StepFinished, StepProgress, StepRetrying, StepStarted
from treadle.executor.node import State
from treadle.planner import Plan
from treadle.tools import tool


@tool(effect="pure")
async def give(value: Any = None) -> Any:
    return value


@tool(effect="pure")
async def double(x: int) -> int:
    if x < 0:
        raise ToolError("negative", f"{x} is negative")
    return 2 * x


def fanned(items: Any, **fields: Any) -> Plan:
    fields = {"x": "${item}", **fields}
    return plan_of(
        step("items", "give", value=items),
        step("all", "double", for_each="${items}", **fields),
        step("sum", "give", value="${all}"),
    )


async def run(items: Any, **fields: Any) -> Outcome:
    return await execute(fanned(items, **fields), [give, double])


async def test_the_outputs_come_in_the_items_order() -> None:
    outcome = await run([3, 1, 2])
    assert outcome.steps["all"].output == [6, 2, 4]
    assert outcome.steps["sum"].output == [6, 2, 4]


async def test_an_item_and_its_number_can_stand_anywhere_in_the_arguments() -> None:
    plan = plan_of(
        step("more", "give", value={"k": 9}),
        step(
            "all",
            "give",
            for_each=[{"n": "a"}, {"n": "b"}],
            value={
                "deep": ["${item.n}", "${index}"],
                "text": "${index}:${item.n}",
                "k": "${more.k}",
            },
        ),
    )
    outcome = await execute(plan, [give])
    assert outcome.steps["all"].output == [
        {"deep": ["a", 0], "text": "0:a", "k": 9},
        {"deep": ["b", 1], "text": "1:b", "k": 9},
    ]


async def test_no_items_give_an_empty_list() -> None:
    outcome = await run([])
    assert outcome.steps["sum"].output == []
    assert outcome.state is State.SUCCEEDED


@pytest.mark.parametrize("items", ["text", {"a": 1}, 5, None])
async def test_what_is_no_list_fails_the_step(items: Any) -> None:
    outcome = await run(items)
    assert outcome.code("all") == "for_each_not_a_list"
    assert outcome.statuses["sum"] == "skipped"


async def test_a_failing_item_fails_the_step_and_starts_no_further_ones() -> None:
    calls: list[int] = []

    @tool
    async def counted(x: int) -> int:
        calls.append(x)
        if x == 2:
            raise ToolError("two", "not two")
        return x

    plan = plan_of(step("all", "counted", for_each=list(range(50)), x="${item}"))
    outcome = await execute(plan, [counted], max_parallel=1)
    assert outcome.code("all") == "two"
    assert calls == [0, 1, 2]


async def test_with_the_policy_value_a_failing_item_is_an_error_in_its_place() -> None:
    outcome = await run([1, -1, 2], on_failure="value")
    error = {"error": {"code": "negative", "message": "-1 is negative"}}
    assert outcome.steps["all"].output == [2, error, 4]
    assert outcome.statuses["all"] == "succeeded"
    assert outcome.state is State.SUCCEEDED


async def test_with_the_policy_skip_dependents_are_skipped() -> None:
    outcome = await run([1, -1, 2], on_failure="skip")
    assert outcome.statuses == {"items": "succeeded", "all": "failed", "sum": "skipped"}
    assert outcome.state is State.SUCCEEDED


async def test_an_item_that_fails_for_a_moment_is_tried_again() -> None:
    failed: set[int] = set()

    @tool
    async def flaky(x: int) -> int:
        if x % 2 and x not in failed:
            failed.add(x)
            raise ToolError("flaky", "again", retryable=True)
        return x

    retry = {"attempts": 2, "delay": 0.001}
    plan = plan_of(step("all", "flaky", for_each=list(range(6)), x="${item}", retry=retry))
    outcome = await execute(plan, [flaky], max_parallel=2)
    assert outcome.steps["all"].output == list(range(6))
    assert sorted(event.index for event in outcome.events(StepRetrying)) == [1, 3, 5]


async def test_the_record_has_one_start_and_one_progress_per_item() -> None:
    outcome = await run([5, 6, 7])
    assert len([e for e in outcome.events(StepStarted) if e.step_id == "all"]) == 1
    progress = outcome.events(StepProgress)
    assert [event.done for event in progress] == [1, 2, 3]
    assert sorted(event.index for event in progress) == [0, 1, 2]
    assert {event.total for event in progress} == {3}
    last = max(event.seq for event in progress)
    ended = next(e for e in outcome.events(StepFinished) if e.step_id == "all")
    assert ended.seq > last


async def test_ten_thousand_items() -> None:
    outcome = await run(list(range(10_000)))
    assert outcome.steps["sum"].output == [2 * each for each in range(10_000)]


async def test_items_count_against_the_budget_of_steps() -> None:
    plan = plan_of(step("all", "double", for_each=[1, 2, 3, 4], x="${item}"))
    outcome = await execute(plan, [double], budget=Budget(steps=3))
    assert outcome.code("all") == "budget_exceeded"
    assert outcome.state is State.FAILED
    assert len([e for e in outcome.events(StepProgress) if e.error is None]) == 3


async def test_a_used_up_budget_is_no_value() -> None:
    plan = plan_of(step("all", "double", for_each=[1, 2], x="${item}", on_failure="value"))
    outcome = await execute(plan, [double], budget=Budget(steps=1))
    assert outcome.code("all") == "budget_exceeded"
    assert outcome.state is State.FAILED


async def test_a_cancelled_fan_out_has_one_end() -> None:
    running = asyncio.Event()

    @tool
    async def forever(x: int) -> int:
        if x == 0:
            return 0
        running.set()
        await asyncio.Event().wait()
        return x

    plan = plan_of(step("all", "forever", for_each=list(range(20)), x="${item}"))
    driver = Driver([forever], max_parallel=3)
    driver.start(plan)
    await running.wait()
    driver.execution.cancel()
    outcome = await driver.end()
    assert outcome.statuses == {"all": "cancelled"}
    assert [event.index for event in outcome.events(StepProgress)] == [0]


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(st.integers(-3, 100), max_size=30),
    seed=st.integers(0, 999),
    max_parallel=st.integers(1, 9),
    limit=st.none() | st.integers(1, 3),
)
def test_order_and_limits_hold_whatever_the_timing(
    items: list[int], seed: int, max_parallel: int, limit: int | None
) -> None:
    running = peak = 0
    turns = random.Random(seed)

    @tool(effect="pure", concurrency=limit)
    async def work(x: int, index: int) -> list[int]:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        for _ in range(turns.randrange(5)):
            await asyncio.sleep(0)
        running -= 1
        if x < 0:
            raise ToolError("negative", str(x))
        return [x, index]

    async def main() -> Outcome:
        args = {"x": "${item}", "index": "${index}"}
        plan = plan_of(
            step("one", "work", for_each=items, **args, on_failure="value"),
            step("two", "work", for_each=items, **args, on_failure="value"),
        )
        return await execute(plan, [work], max_parallel=max_parallel)

    outcome = asyncio.run(main())
    assert peak <= min(max_parallel, limit or 99)
    for each in ("one", "two"):
        output = outcome.steps[each].output
        assert isinstance(output, list)
        for index, (x, got) in enumerate(zip(items, output, strict=True)):
            error = {"error": {"code": "negative", "message": str(x)}}
            assert got == (error if x < 0 else [x, index])
