"""One task may make several calls; nobody must be able to tell."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle.core.budget import Budget
from treadle.core.errors import ToolError
from treadle.core.events import StepFinished, StepStarted
from treadle.core.program import current_program
from treadle.executor.node import State
from treadle.tools import tool

BOUND = 15
"""Generous: means that it does not hang."""

mark: contextvars.ContextVar[Any] = contextvars.ContextVar("mark", default="clean")


@tool
async def give(x: Any = 1) -> Any:
    """Give it back."""
    return x


@tool
async def look() -> str:
    """What it finds in the context."""
    return str(mark.get())


def many(name: str, count: int, *after: str, **fields: Any) -> list[dict[str, Any]]:
    return [step(f"{name}{n}", name, *after, **fields) for n in range(count)]


class Odd:
    """Cannot be compared, as an array cannot."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize("how", ["plain", "waiting", "failing", "sub-task", "generator"])
async def test_no_step_sees_what_another_has_put_into_its_context(how: str) -> None:
    @tool
    async def stain() -> None:
        """Leave something in the context."""
        mark.set("stained")
        if how == "waiting":
            await asyncio.sleep(0)
        elif how == "failing":
            raise ToolError("broken", "it broke")
        elif how == "sub-task":
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
        elif how == "generator":
            async for _ in aiter_once():
                mark.set("stained again")

    async def aiter_once() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            mark.set("stained at the end")

    steps = [*many("stain", 20, on_failure="value"), *many("look", 20)]
    chained = [
        step("c0", "stain", on_failure="value"),
        *(step(f"c{n}", "look", f"c{n - 1}") for n in range(1, 20)),
    ]
    outcome = await execute(plan_of(*steps, *chained), [stain, look], max_parallel=3)
    seen = [each.output for each in outcome.steps.values() if each.tool == "look"]
    assert set(map(str, seen)) == {"clean"}


async def test_nor_do_the_tasks_that_it_has_started() -> None:
    seen: list[str] = []
    background: list[asyncio.Task[None]] = []

    async def later() -> None:
        await asyncio.sleep(0)
        seen.append(str(mark.get()))

    @tool
    async def stain(x: int) -> None:
        """Leave something in the context."""
        mark.set(x)

    @tool
    async def spawn(x: int) -> None:
        """Start a task."""
        background.append(asyncio.create_task(later()))

    plan = plan_of(
        step("c0", "stain", x=0),
        *(step(f"c{n}", "stain" if n % 2 == 0 else "spawn", f"c{n - 1}", x=n) for n in range(1, 9)),
    )
    await execute(plan, [stain, spawn], max_parallel=1)
    await asyncio.gather(*background)
    assert seen == ["clean"] * 4


@pytest.mark.parametrize(("before", "value"), [(Odd(), Odd()), (1, 1.0), ([], [])])
async def test_a_value_that_only_looks_the_same_is_another_one(before: Any, value: Any) -> None:
    seen: list[Any] = []

    @tool
    async def stain() -> None:
        """Leave something that is equal to what was there."""
        mark.set(value)

    @tool
    async def note() -> None:
        """Note what is there."""
        seen.append(mark.get())

    token = mark.set(before)
    try:
        plan = plan_of(step("a", "stain"), step("b", "note", "a"))
        outcome = await execute(plan, [stain, note], max_parallel=1)
    finally:
        mark.reset(token)
    assert outcome.state is State.SUCCEEDED
    assert seen[0] is before


async def test_every_step_finds_itself_in_the_program() -> None:
    @tool
    async def who() -> str | None:
        """The step that makes this call."""
        program = current_program.get()
        return None if program is None else program.step_id

    outcome = await execute(plan_of(*many("who", 30)), [who], max_parallel=4)
    assert all(each.output == name for name, each in outcome.steps.items())
    assert current_program.get() is None


@pytest.mark.parametrize("shape", ["wide", "chain"])
async def test_others_in_the_loop_get_their_turns(shape: str) -> None:
    turns, over = 0, False

    async def other() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    @tool
    async def spin() -> None:
        """Take a while without waiting."""
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass

    count = 500
    steps = [
        step(f"s{n}", "spin", *([f"s{n - 1}"] if n and shape == "chain" else ()))
        for n in range(count)
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        driver = Driver([spin], max_parallel=1)
        driver.execution.add_all(plan_of(*steps).steps)
        driver.execution.seal(plan_of(*steps))
        outcome = await driver.end(BOUND)
        over = True
    assert outcome.state is State.SUCCEEDED
    # A turn has 2 ms and one call takes 1: a few calls to a turn.
    assert turns >= count / 5


async def test_others_get_their_turns_beside_5000_instant_steps() -> None:
    turns, over = 0, False

    async def other() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    plan = plan_of(*many("give", 5000))
    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        outcome = await execute(plan, [give])
        over = True
    assert outcome.state is State.SUCCEEDED
    assert turns >= 10


@pytest.mark.parametrize("wait", [0, 1, 3])
async def test_limits_are_kept(wait: int) -> None:
    running = {"narrow": 0, "wide": 0}
    most = {"narrow": 0, "wide": 0, "all": 0}

    async def work(name: str, n: int) -> None:
        running[name] += 1
        most[name] = max(most[name], running[name])
        most["all"] = max(most["all"], sum(running.values()))
        for _ in range(n % (wait + 1)):
            await asyncio.sleep(0)
        running[name] -= 1

    @tool(concurrency=2)
    async def narrow(n: int) -> None:
        """Two at once."""
        await work("narrow", n)

    @tool
    async def wide(n: int) -> None:
        """Any number at once."""
        await work("wide", n)

    steps = [
        step(f"s{n}", "narrow" if n % 3 else "wide", *([f"s{n // 2}"] if n else ()), n=n)
        for n in range(300)
    ]
    outcome = await execute(plan_of(*steps), [narrow, wide], max_parallel=5)
    assert outcome.state is State.SUCCEEDED
    assert most["narrow"] <= 2
    assert most["all"] <= 5


async def test_the_longest_path_goes_first_among_instant_steps() -> None:
    order: list[str] = []

    @tool
    async def note(x: str) -> None:
        """Note that it has begun."""
        order.append(x)

    steps = [step(f"short{n}", "note", x=f"short{n}") for n in range(5)]
    steps += [
        step(f"long{n}", "note", *([f"long{n - 1}"] if n else ()), x=f"long{n}") for n in range(5)
    ]
    plan = plan_of(*steps)
    driver = Driver([note], max_parallel=1)
    driver.execution.add_all(plan.steps)
    driver.execution.seal(plan)
    await driver.end()
    # What is left of the chain, and a step alone, are of equal length at its end.
    assert order[:4] == ["long0", "long1", "long2", "long3"]


async def test_each_start_and_end_is_recorded_in_order() -> None:
    steps = [step(f"s{n}", "give", *([f"s{(n - 1) // 2}"] if n else ())) for n in range(200)]
    outcome = await execute(plan_of(*steps), [give], max_parallel=4)
    under_way: set[str] = set()
    ended: set[str] = set()
    for event in outcome.log.events:
        if isinstance(event, StepStarted):
            assert set(outcome.execution.graph.nodes[event.step_id].step.needs) <= ended
            under_way.add(event.step_id)
            assert len(under_way) <= 4
        elif isinstance(event, StepFinished):
            under_way.remove(event.step_id)
            ended.add(event.step_id)


async def test_a_budget_of_steps_is_exact() -> None:
    calls = 0

    @tool
    async def count() -> None:
        """Count the calls."""
        nonlocal calls
        calls += 1

    outcome = await execute(plan_of(*many("count", 30)), [count], budget=Budget(steps=12))
    assert calls == 12
    assert outcome.state is State.FAILED
    assert sum(status == "succeeded" for status in outcome.statuses.values()) == 12


SCOPES = ["cancel scope", "task group", "timeout", "asyncio timeout", "asyncio group"]


@pytest.mark.parametrize("kind", SCOPES)
async def test_scopes_within_a_step_end_within_it(kind: str) -> None:
    @tool
    async def scoped(x: int) -> str:
        """Open a scope that cancels what is in it."""
        if kind == "cancel scope":
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anyio.sleep(BOUND)
        elif kind == "task group":
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, BOUND)
                group.cancel_scope.cancel()
        elif kind == "timeout":
            with anyio.move_on_after(0.001 * x):
                await anyio.sleep(BOUND)
        elif kind == "asyncio timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001 * x):
                    await asyncio.sleep(BOUND)
        else:

            async def fail() -> None:
                raise ToolError("inner", "inner")

            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(fail())
                    tasks.create_task(asyncio.sleep(BOUND))
            except* ToolError:
                pass
        return "out"

    steps = [
        step(f"s{n}", "scoped" if n % 2 else "give", *([f"s{n - 1}"] if n else ()), x=n % 3)
        for n in range(20)
    ]
    async with asyncio.timeout(BOUND):
        outcome = await execute(plan_of(*steps), [scoped, give], max_parallel=2)
    assert set(outcome.statuses.values()) == {"succeeded"}
