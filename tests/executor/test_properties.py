"""What holds for every plan, whatever its shape and whatever the order in which calls end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.executor.conftest import Driver, Outcome, execute, plan_of

from treadle.core.events import StepFinished, StepStarted
from treadle.planner import Plan
from treadle.tools import Tool, tool


@dataclass
class World:
    """Tools whose calls end in an order that `seed` decides, and what was seen of them."""

    seed: int
    fails: frozenset[str] = frozenset()
    calls: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    ended: dict[str, Any] = field(default_factory=dict)

    def tools(self, limit: int | None) -> list[Tool]:
        turns = random.Random(self.seed)

        async def work(kind: str, name: str, inputs: list[Any]) -> str:
            self.calls[name] += 1
            for each in (kind, "all"):
                self.running[each] += 1
                self.peak[each] = max(self.peak[each], self.running[each])
            for source in inputs:
                if source not in self.ended.values():
                    self.trouble.append(f"{name} started before its input {source}")
            for _ in range(turns.randrange(6)):
                await asyncio.sleep(0)
            for each in (kind, "all"):
                self.running[each] -= 1
            if name in self.fails:
                raise ValueError(name)
            self.ended[name] = f"<{name}:{','.join(map(str, inputs))}>"
            return str(self.ended[name])

        @tool(effect="pure")
        async def free(name: str, inputs: list[Any]) -> str:
            return await work("free", name, inputs)

        @tool(effect="pure", concurrency=limit)
        async def limited(name: str, inputs: list[Any]) -> str:
            return await work("limited", name, inputs)

        return [free, limited]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    number = draw(st.integers(1, 40))
    steps: list[dict[str, Any]] = []
    for position in range(number):
        earlier = [each["id"] for each in steps]
        few = (
            st.lists(st.sampled_from(earlier), max_size=4, unique=True) if earlier else st.just([])
        )
        inputs, after = draw(few), draw(few)
        kind = draw(st.sampled_from(["free", "limited"]))
        name = f"s{position}"
        args: dict[str, Any] = {"name": name, "inputs": [f"${{{each}}}" for each in inputs]}
        steps.append({"id": name, "tool": kind, "args": args, "after": after})
    return plan_of(*steps, answer=[f"${{s{position}}}" for position in range(number)])


async def run(plan: Plan, world: World, max_parallel: int, limit: int | None) -> Outcome:
    return await execute(plan, world.tools(limit), max_parallel=max_parallel)


@settings(max_examples=60, deadline=None)
@given(
    plan=plans(),
    seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)),
    parallel=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    limit=st.none() | st.integers(1, 3),
)
def test_every_step_runs_once_after_its_inputs_whatever_the_timing(
    plan: Plan, seeds: tuple[int, int], parallel: tuple[int, int], limit: int | None
) -> None:
    answers: list[Any] = []
    for seed, max_parallel in zip(seeds, parallel, strict=True):
        world = World(seed)
        outcome = asyncio.run(run(plan, world, max_parallel, limit))
        assert not world.trouble
        assert world.calls == {each.id: 1 for each in plan.steps}
        assert world.peak["all"] <= max_parallel
        assert limit is None or world.peak["limited"] <= limit
        assert set(outcome.statuses.values()) == {"succeeded"}
        assert plan.answer is not None
        answers.append(outcome.execution.answer(plan.answer))
        started = {event.step_id: event.seq for event in outcome.events(StepStarted)}
        ended = {event.step_id: event.seq for event in outcome.events(StepFinished)}
        for each in plan.steps:
            assert started[each.id] < ended[each.id]
            assert all(ended[need] < started[each.id] for need in each.needs)
    assert answers[0] == answers[1]


@settings(max_examples=60, deadline=None)
@given(
    plan=plans(),
    seed=st.integers(0, 999),
    max_parallel=st.integers(1, 9),
    picks=st.sets(st.integers(0, 39), max_size=5),
)
def test_a_failure_reaches_exactly_what_depends_on_it(
    plan: Plan, seed: int, max_parallel: int, picks: set[int]
) -> None:
    fails = frozenset(f"s{pick}" for pick in picks)
    outcome = asyncio.run(run(plan, World(seed, fails), max_parallel, 2))
    expected: dict[str, str] = {}
    for each in plan.steps:
        if any(expected[need] != "succeeded" for need in each.needs):
            expected[each.id] = "skipped"
        else:
            expected[each.id] = "failed" if each.id in fails else "succeeded"
    assert outcome.statuses == expected
    assert outcome.state.name == ("FAILED" if "failed" in expected.values() else "SUCCEEDED")


@settings(max_examples=60, deadline=None)
@given(
    plan=plans(),
    seed=st.integers(0, 999),
    max_parallel=st.integers(1, 9),
    moment=st.integers(0, 60),
    sealed_after=st.integers(0, 40),
)
def test_a_cancellation_at_any_moment_leaves_a_complete_record(
    plan: Plan, seed: int, max_parallel: int, moment: int, sealed_after: int
) -> None:
    world = World(seed)

    async def main() -> Outcome:
        before = asyncio.all_tasks()
        driver = Driver(world.tools(2), max_parallel=max_parallel)
        steps = iter(plan.steps)
        for turn in range(moment):
            # One step of the plan comes per turn, as it does from a planner.
            if (each := next(steps, None)) is not None:
                driver.execution.add(each)
            elif turn >= sealed_after:
                driver.execution.seal(plan)
            await asyncio.sleep(0)
        driver.execution.cancel()
        outcome = await driver.end()
        assert asyncio.all_tasks() == before
        return outcome

    outcome = asyncio.run(main())
    assert outcome.state.name == "CANCELLED"
    assert set(outcome.statuses.values()) <= {"succeeded", "cancelled"}
    assert max(world.calls.values(), default=0) <= 1
    for step_id, status in outcome.statuses.items():
        if status == "succeeded":
            assert all(outcome.statuses[need] == "succeeded" for need in plan[step_id].needs)
            assert outcome.steps[step_id].output == world.ended[step_id]
