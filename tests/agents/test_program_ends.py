"""Models that keep something for a run are told when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from treadle import Agent, Plan, Runtime, tool
from treadle.agents.runs.program_ends import ProgramEnds
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.clock import SystemClock
from treadle.core.event_log import EventLog
from treadle.core.program import Program
from treadle.testing import ScriptedModel

ASK = Plan.from_wire(
    {"steps": [{"id": "a", "tool": "helper", "args": {"task": "x"}}], "answer": "${a}"}
)


class Aware(ScriptedModel):
    """Keeps which programs have ended."""

    def __init__(self, *replies: Any) -> None:
        super().__init__(list(replies))
        self.ended: list[str] = []
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def program_ended(self, program_id: str) -> None:
        await self.let_go.wait()
        self.ended.append(program_id)


def runtime(model: Aware, *agents: Agent) -> Runtime:
    helper = Agent("helper", "You help.", model=model)
    return Runtime(model=ScriptedModel([]), tools=agents or [helper], builtins=False)


async def test_a_model_is_told_once_after_a_run_that_called_it() -> None:
    model = Aware("first", "second")
    async with runtime(model) as made:
        first = await made.run(ASK)
        second = await made.run(ASK)
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert model.ended == [first.run_id, second.run_id]


async def test_a_model_that_was_not_called_is_not_told() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    model = Aware()
    plan = Plan.from_wire({"steps": [{"id": "a", "tool": "look", "args": {}}], "answer": "${a}"})
    async with Runtime(model=model, tools=[look], builtins=False) as made:
        assert (await made.run(plan)).status == "succeeded"
    assert model.ended == []


async def test_the_result_does_not_wait_for_it() -> None:
    model = Aware("said")
    model.let_go.clear()
    async with asyncio.timeout(15), runtime(model) as made:
        result = await made.run(ASK)
        assert model.ended == []
        model.let_go.set()
    assert model.ended == [result.run_id]


async def test_failed_and_cancelled_runs_end_as_well() -> None:
    called = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        called.set()
        await asyncio.Event().wait()
        return ""

    model = Aware("said", "said")
    helper = Agent("helper", "You help.", model=model)
    steps: list[dict[str, Any]] = [{"id": "a", "tool": "helper", "args": {"task": "x"}}]
    waits = Plan.from_wire({"steps": [*steps, {"id": "b", "tool": "wait", "after": ["a"]}]})
    fails = Plan.from_wire(
        {"steps": [*steps, {"id": "b", "tool": "helper", "args": {"task": "${a.x}"}}]}
    )
    async with asyncio.timeout(15):
        async with Runtime(model=ScriptedModel([]), tools=[helper, wait], builtins=False) as made:
            failed = await made.run(fails)
            async with made.stream(waits) as run:
                await called.wait()
                run.cancel()
            cancelled = run.result
    assert (failed.status, cancelled.status) == ("failed", "cancelled")
    assert model.ended == [failed.run_id, cancelled.run_id]


def test_an_event_loop_of_our_own_stays_until_it_is_told() -> None:
    model = Aware("said")
    result = runtime(model).run_sync(ASK)
    assert model.ended == [result.run_id]


async def test_what_does_not_come_to_an_end_is_ended() -> None:
    model = Aware()
    model.let_go.clear()
    clock = SystemClock()
    program = Program("run", BudgetMeter(Budget(), clock), EventLog("run", clock))
    program.called[id(model)] = model
    before = asyncio.all_tasks()
    ends = ProgramEnds()
    ends.tell(program)
    await ends.settle(0.01)
    assert model.ended == []
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("error", [OSError("gone"), TimeoutError()])
async def test_a_failure_stays_here(error: Exception) -> None:
    class Broken(Aware):
        async def program_ended(self, program_id: str) -> None:
            raise error

    model = Broken("said")
    async with runtime(model) as made:
        assert (await made.run(ASK)).status == "succeeded"
