"""A budget refuses the next call; what was done is kept."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.executor.conftest import Driver, execute, plan_of, step

from treadle.core.budget import Budget
from treadle.core.chat import ChatRequest, Message
from treadle.core.errors import ToolError
from treadle.core.events import ModelCalled, StepStarted
from treadle.core.model_call import call_model
from treadle.executor.node import State
from treadle.testing import FakeClock, ScriptedModel
from treadle.tools import tool


@tool(effect="pure")
async def give(value: Any = 1) -> Any:
    return value


CHAIN = plan_of(step("a", "give"), step("b", "give", "a"), step("c", "give", "b"))


async def test_the_step_after_the_last_is_refused() -> None:
    outcome = await execute(CHAIN, [give], budget=Budget(steps=2))
    assert outcome.state is State.FAILED
    assert outcome.statuses == {"a": "succeeded", "b": "succeeded", "c": "failed"}
    assert outcome.code("c") == "budget_exceeded"
    assert [event.step_id for event in outcome.events(StepStarted)] == ["a", "b"]


async def test_exactly_enough_is_enough() -> None:
    outcome = await execute(CHAIN, [give], budget=Budget(steps=3))
    assert outcome.state is State.SUCCEEDED


async def test_a_budget_of_nothing_does_nothing() -> None:
    outcome = await execute(CHAIN, [give], budget=Budget(steps=0))
    assert outcome.statuses == {"a": "failed", "b": "skipped", "c": "skipped"}


async def test_each_attempt_counts_and_a_used_up_budget_is_not_tried_again() -> None:
    @tool
    async def flaky() -> None:
        raise ToolError("flaky", "again", retryable=True)

    plan = plan_of(step("a", "flaky", retry={"attempts": 9, "delay": 0.001}))
    outcome = await execute(plan, [flaky], budget=Budget(steps=3))
    assert outcome.code("a") == "budget_exceeded"
    assert len(outcome.events(StepStarted)) == 3


async def test_no_policy_lets_a_used_up_budget_pass() -> None:
    for policy in ("skip", "value", "replan"):
        plan = plan_of(step("a", "give"), step("b", "give", "a", on_failure=policy))
        outcome = await execute(plan, [give], budget=Budget(steps=1))
        assert outcome.state is State.FAILED, policy
        assert outcome.code("b") == "budget_exceeded"


async def test_when_the_time_is_over_nothing_new_starts() -> None:
    clock = FakeClock()

    @tool
    async def spend() -> None:
        clock.advance(11)

    plan = plan_of(step("a", "spend"), step("b", "give", "a"))
    outcome = await execute(plan, [give, spend], budget=Budget(seconds=10), clock=clock)
    assert outcome.statuses == {"a": "succeeded", "b": "failed"}
    assert outcome.code("b") == "budget_exceeded"


async def test_the_model_call_after_the_last_token_is_refused() -> None:
    model = ScriptedModel(lambda request: "x" * 400)
    request = ChatRequest((Message("user", "go on"),))

    @tool
    async def think() -> str:
        return (await call_model(model, request, purpose="step")).text

    plan = plan_of(step("a", "think"), step("b", "think", "a"), step("c", "give"))
    outcome = await execute(plan, [think, give], budget=Budget(tokens=50))
    assert outcome.statuses == {"a": "succeeded", "b": "failed", "c": "succeeded"}
    assert outcome.code("b") == "budget_exceeded"
    assert len(model.requests) == 1
    # The rest, after "go on" and what surrounds a message.
    assert model.requests[0].max_tokens == 50 - 2 - 4
    assert len(outcome.events(ModelCalled)) == 1


async def test_parallel_steps_cannot_pass_the_limit_together() -> None:
    running = asyncio.Event()

    @tool
    async def wait(name: str) -> str:
        await running.wait()
        return name

    driver = Driver([wait], budget=Budget(steps=3), max_parallel=8)
    driver.start(plan_of(*(step(f"s{n}", "wait", name=f"s{n}") for n in range(8))))
    await asyncio.sleep(0)
    running.set()
    outcome = await driver.end()
    assert sorted(map(str, outcome.statuses.values())) == ["failed"] * 5 + ["succeeded"] * 3
