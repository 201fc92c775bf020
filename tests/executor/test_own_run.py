"""Steps that act on the run which they are part of, from inside a call and without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.executor.conftest import Driver, Outcome, plan_of, step

from treadle import Runtime
from treadle.executor import Execution
from treadle.executor.node import State
from treadle.planner.patch import PlanPatch
from treadle.testing import ScriptedModel
from treadle.tools import tool

BOUND = 15
"""Generous: means that it does not hang."""


@tool
async def give(x: Any = 1) -> Any:
    """Give it back."""
    return x


async def acted(act: Callable[[Execution], None], *, max_parallel: int) -> Outcome:
    drivers: list[Driver] = []

    @tool(name="act")
    async def act_now() -> str:
        """Do something to the run that it is part of."""
        act(drivers[0].execution)
        return "acted"

    drivers.append(Driver([give, act_now], max_parallel=max_parallel))
    plan = plan_of(
        step("a", "act"),
        *(step(f"b{n}", "give", x=n) for n in range(4)),
        *(step(f"c{n}", "give", "a", x=n) for n in range(4)),
    )
    drivers[0].execution.add_all(plan.steps)
    drivers[0].execution.seal(plan)
    return await drivers[0].end(BOUND)


@pytest.mark.parametrize("max_parallel", [1, 3])
async def test_a_step_may_cancel_its_own_run(max_parallel: int) -> None:
    outcome = await acted(lambda execution: execution.cancel(), max_parallel=max_parallel)
    assert outcome.state is State.CANCELLED
    assert set(outcome.statuses.values()) <= {"cancelled", "succeeded"}
    assert {outcome.statuses[f"c{n}"] for n in range(4)} == {"cancelled"}


@pytest.mark.parametrize("max_parallel", [1, 3])
async def test_a_step_may_pause_its_own_run(max_parallel: int) -> None:
    outcome = await acted(lambda execution: execution.pause(), max_parallel=max_parallel)
    assert outcome.state is State.WAITING
    assert outcome.statuses["a"] == "succeeded"
    assert {outcome.statuses[f"c{n}"] for n in range(4)} == {"waiting"}


@pytest.mark.parametrize("max_parallel", [1, 2, 3, 8])
async def test_a_step_that_patches_its_own_run_makes_no_step_run_twice(max_parallel: int) -> None:
    calls: list[str] = []
    streams: list[Any] = []

    @tool
    async def note(x: str) -> str:
        """Note the call."""
        calls.append(x)
        return x

    @tool
    async def patch() -> None:
        """Add a step."""
        added = step("late", "note", x="late")
        streams[0].patch(PlanPatch.from_wire({"add": [added]}))

    names = [f"b{n}" for n in range(6)]
    plan = plan_of(step("a", "patch"), *(step(name, "note", x=name) for name in names))
    async with (
        Runtime(
            model=ScriptedModel([]),
            tools=[note, patch],
            builtins=False,
            database=None,
            max_parallel=max_parallel,
        ) as runtime,
        runtime.stream(plan) as stream,
    ):
        streams.append(stream)
        async with asyncio.timeout(BOUND):
            await stream.ended()
    assert stream.result.status == "succeeded", stream.result.error
    assert sorted(calls) == sorted([*names, "late"])
