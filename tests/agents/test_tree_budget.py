"""One budget covers the whole tree of a run: parallel calls, nested runs, threads, processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.conftest import mail, plan, runtime, step

from treadle import Plan, Price, Runtime, approve_all, tool
from treadle.core.budget import Budget
from treadle.core.chat import ChatDelta, ChatRequest, Finished, Message, TextDelta, Usage
from treadle.core.model_call import call_model
from treadle.core.prompt_estimate import estimate_prompt
from treadle.testing import FakeClock, ScriptedModel
from treadle.tools import Tool

PRICES = {"greedy:*": Price(prompt=1, completion=10), "scripted:*": Price(1, 10)}


class Greedy:
    """Uses all it may; each call waits until all that were let through are under way."""

    name = "greedy:model"
    structured_output = True

    def __init__(self) -> None:
        self.used: list[int] = []

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        for _ in range(20):
            await asyncio.sleep(0)
        reply = 10 if request.max_tokens is None else request.max_tokens
        self.used.append(estimate_prompt(request) + reply)
        yield TextDelta("x")
        yield Finished("length", Usage(estimate_prompt(request), reply, calls=1))

    async def aclose(self) -> None:
        """Nothing to close."""


def thinker(model: Any) -> Tool:
    request = ChatRequest((Message("user", "Think."),))

    @tool
    async def think(n: int) -> str:
        """Think."""
        return (await call_model(model, request, purpose="step")).text

    return think


WIDE = plan(*(step(f"s{n}", "think", n=n) for n in range(8)))


@pytest.mark.parametrize("limit", [100, 3000, 20_000])
async def test_parallel_calls_do_not_pass_the_budget_together(limit: int) -> None:
    model = Greedy()
    async with runtime([], [thinker(model)], budget=Budget(tokens=limit)) as rt:
        result = await rt.run(Plan.from_wire(WIDE))
    assert 0 < sum(model.used) <= limit
    assert result.usage.total_tokens == sum(model.used)


async def test_parallel_calls_do_not_pass_the_budget_of_money_together() -> None:
    model = Greedy()
    budget = Budget(cost=0.05)
    async with runtime([], [thinker(model)], budget=budget, prices=PRICES) as rt:
        result = await rt.run(Plan.from_wire(WIDE))
    assert result.usage.cost is not None
    assert 0.04 < result.usage.cost <= 0.05
    assert result.usage.as_json()["cost"] == result.usage.cost


async def test_a_model_without_a_price_is_refused_where_money_is_limited() -> None:
    model = Greedy()
    async with runtime([], [thinker(model)], budget=Budget(cost=1)) as rt:
        result = await rt.run(Plan.from_wire(plan(step("a", "think", n=1))))
    assert result.status == "failed"
    assert "no_price" in str([each.error for each in result.steps])
    assert model.used == []


def nested(inner: Runtime, how: str) -> Tool:
    """A tool whose calls are runs of `inner`: its own tool, awaited, or in a thread."""
    if how == "as_tool":
        return inner.as_tool("sub", "Think.", plan=Plan.from_wire(WIDE))

    @tool(name="sub")
    async def awaited() -> Any:
        """Think."""
        return (await inner.run(Plan.from_wire(WIDE))).status

    @tool(name="sub")
    def threaded() -> Any:
        """Think."""
        return inner.run_sync(Plan.from_wire(WIDE)).status

    return awaited if how == "awaited" else threaded


NESTED = Plan.from_wire(plan(*(step(f"r{n}", "sub") for n in range(3))))


@pytest.mark.parametrize("how", ["awaited", "as_tool", "threaded"])
@pytest.mark.parametrize("budget", [Budget(tokens=9000), Budget(cost=0.03), Budget(steps=12)])
async def test_runs_within_share_the_budget(how: str, budget: Budget) -> None:
    model = Greedy()
    options: Any = {"tools": [thinker(model)], "builtins": False, "prices": PRICES}
    async with (
        Runtime(model=ScriptedModel([]), **options) as inner,
        runtime([], [nested(inner, how)], budget=budget, prices=PRICES) as rt,
    ):
        result = await rt.run(NESTED)
    assert sum(model.used) > 0
    if budget.tokens is not None:
        assert sum(model.used) <= budget.tokens
        assert result.usage.total_tokens == sum(model.used)
    if budget.cost is not None:
        assert result.usage.cost is not None
        assert 0 < result.usage.cost <= budget.cost
    if budget.steps is not None:
        # Three of the steps are those of the outer run.
        assert len(model.used) == budget.steps - 3
        assert result.usage.calls == len(model.used)


async def test_the_time_of_a_run_is_over_for_those_within_too() -> None:
    clock = FakeClock()

    @tool
    async def spend(n: int) -> None:
        """Spend an hour."""
        clock.advance(3600)

    chain = plan(step("a", "spend", n=1), {**step("b", "spend", n=2), "after": ["a"]})
    async with Runtime(model=ScriptedModel([]), tools=[spend], builtins=False) as inner:
        within = inner.as_tool("sub", "Spend.", plan=Plan.from_wire(chain))
        async with runtime([], [within], clock=clock, budget=Budget(seconds=60)) as rt:
            result = await rt.run(Plan.from_wire(plan(step("r", "sub"))))
    assert "budget_exceeded" in str([each.error for each in result.steps])
    assert clock.monotonic() < 7000


async def test_the_cost_so_far_counts_after_a_resume(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    options: Any = {"database": url, "artifacts": tmp_path / "kept", "prices": PRICES}

    model = ScriptedModel(lambda request: "x" * 4000)
    chain = plan(
        step("a", "think", n=1),
        {**step("k", "mail", to="ann"), "after": ["a"]},
        {**step("b", "think", n=2), "after": ["k"]},
    )
    budget = Budget(cost=0.0101)
    tools = [thinker(model), mail]
    async with runtime([], tools, budget=budget, **options) as rt:
        first = await rt.run(Plan.from_wire(chain))
    assert first.status == "waiting"
    assert first.usage.cost is not None
    assert 0.01 < first.usage.cost < 0.0101
    async with runtime([], tools, budget=budget, approve=approve_all, **options) as rt:
        again = await rt.resume(first.run_id)
    assert again.status == "failed"
    assert "budget_exceeded" in str({each.id: each.error for each in again.steps}["b"])
    assert len(model.requests) == 1
    assert again.usage.cost == first.usage.cost
