"""The scheduler: no barriers, longest path first, large plans, timeouts, odd tools and outputs."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle.core.durations import ToolDurations
from treadle.core.events import StepFinished, StepProgress, StepStarted
from treadle.planner import Plan
from treadle.planner.step import Step
from treadle.tools import tool


@tool(effect="pure")
async def plus_one(x: int = 0) -> int:
    return x + 1


@tool(effect="pure")
async def boom() -> str:
    raise ValueError("no")


class Gates:
    """A tool that ends when the test opens its gate, and says when it has started."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._open: dict[str, asyncio.Event] = {}
        self._began: dict[str, asyncio.Event] = {}

        @tool
        async def gate(name: str, value: Any = None) -> str:
            self.started.append(name)
            self._event(self._began, name).set()
            await self._event(self._open, name).wait()
            return name

        self.tool = gate

    def open(self, *names: str) -> None:
        for name in names:
            self._event(self._open, name).set()

    async def began(self, name: str) -> None:
        async with asyncio.timeout(10):
            await self._event(self._began, name).wait()

    def _event(self, events: dict[str, asyncio.Event], name: str) -> asyncio.Event:
        return events.setdefault(name, asyncio.Event())


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_step_starts_when_its_last_input_ends_though_siblings_still_run() -> None:
    gates = Gates()
    driver = Driver([gates.tool])
    driver.start(
        plan_of(
            step("slow", "gate", name="slow"),
            step("quick", "gate", name="quick"),
            step("next", "gate", "quick", name="next"),
            step("last", "gate", "next", name="last"),
            step("both", "gate", "last", "slow", name="both"),
        )
    )
    gates.open("quick", "next", "last")
    await gates.began("last")
    await turns()
    assert "both" not in gates.started
    gates.open("slow", "both")
    assert (await driver.end()).state.name == "SUCCEEDED"


async def test_steps_start_while_the_plan_is_still_being_written() -> None:
    gates = Gates()
    plan = plan_of(step("a", "gate", name="a"), step("b", "gate", "a", name="b"))
    driver = Driver([gates.tool])
    driver.execution.add(plan["a"])
    await gates.began("a")
    gates.open("a", "b")
    await turns()
    driver.execution.add(plan["b"])
    await gates.began("b")
    driver.execution.seal(plan)
    assert (await driver.end()).statuses == {"a": "succeeded", "b": "succeeded"}


async def test_the_longest_remaining_path_starts_first() -> None:
    gates = Gates()
    gates.open(*"abcdefg")
    chain = [step("e", "gate", name="e"), step("f", "gate", "e", name="f")]
    plan = plan_of(
        *(step(name, "gate", name=name) for name in "abcd"),
        *chain,
        step("g", "gate", "f", name="g"),
    )
    await execute(plan, [gates.tool], max_parallel=1)
    # The first was started before the others were known.
    assert gates.started[:4] == ["a", "e", "f", "b"]
    assert sorted(gates.started) == list("abcdefg")


async def test_how_long_tools_take_decides_which_path_is_longest() -> None:
    order: list[str] = []

    @tool
    async def quick(name: str) -> None:
        order.append(name)

    @tool
    async def slow(name: str) -> None:
        order.append(name)

    durations = ToolDurations()
    durations.observe("quick", 0.1)
    durations.observe("slow", 50.0)
    plan = plan_of(
        step("first", "quick", name="first"),
        step("q1", "quick", name="q1"),
        step("q2", "quick", "q1", name="q2"),
        step("s", "slow", name="s"),
    )
    await execute(plan, [quick, slow], max_parallel=1, durations=durations)
    assert order == ["first", "s", "q1", "q2"]


def wide(number: int) -> Plan:
    return plan_of(*(step(f"s{each}", "plus_one", x=each) for each in range(number)))


def chain(number: int, first: dict[str, Any]) -> Plan:
    steps = [first]
    for each in range(1, number):
        steps.append(step(f"s{each}", "plus_one", x=f"${{s{each - 1}}}"))
    return plan_of(*steps)


async def test_a_wide_plan_of_ten_thousand_steps() -> None:
    outcome = await execute(wide(10_000), [plus_one])
    assert [each.output for each in outcome.steps.values()] == list(range(1, 10_001))


async def test_a_chain_of_ten_thousand_steps() -> None:
    outcome = await execute(chain(10_000, step("s0", "plus_one")), [plus_one])
    assert outcome.steps["s9999"].output == 10_000


@pytest.mark.parametrize("policy", ["fail", "skip", "replan", "cancel"])
async def test_a_chain_of_ten_thousand_steps_whose_first_fails(policy: str) -> None:
    first = step("s0", "boom", on_failure=policy)
    outcome = await execute(chain(10_000, first), [plus_one, boom])
    first_status, *others = outcome.statuses.values()
    assert first_status == "failed"
    assert set(others) == {"skipped"}
    assert outcome.state.name == ("SUCCEEDED" if policy == "skip" else "FAILED")


async def test_a_chain_of_ten_thousand_steps_behind_a_condition_that_does_not_hold() -> None:
    first = step("s0", "plus_one", when="1 > 2")
    outcome = await execute(chain(10_000, first), [plus_one])
    assert set(outcome.statuses.values()) == {"skipped"}
    assert {outcome.code("s0"), outcome.code("s9999")} == {"condition_not_met"}
    assert outcome.state.name == "SUCCEEDED"


async def test_the_timeout_of_a_tool_and_of_a_step() -> None:
    @tool(timeout=0.05)
    async def own() -> None:
        await asyncio.Event().wait()

    @tool
    async def without() -> None:
        await asyncio.Event().wait()

    plan = plan_of(step("a", "own"), step("b", "without", timeout=0.05), step("c", "plus_one"))
    outcome = await execute(plan, [own, without, plus_one])
    assert outcome.code("a") == outcome.code("b") == "tool_timeout"
    assert outcome.statuses["c"] == "succeeded"


async def test_a_steps_timeout_may_be_longer_than_its_tools() -> None:
    @tool(timeout=0.05)
    async def own() -> str:
        await asyncio.sleep(0.2)
        return "late but in time"

    outcome = await execute(plan_of(step("a", "own", timeout=15)), [own])
    assert outcome.steps["a"].output == "late but in time"


async def test_a_tool_that_swallows_its_cancellation_is_abandoned() -> None:
    release = asyncio.Event()

    @tool(timeout=0.05)
    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    plan = plan_of(
        step("a", "stubborn"),
        step("b", "plus_one", "a"),
        step("c", "plus_one"),
        step("d", "stubborn"),
    )
    driver = Driver([stubborn, plus_one], max_parallel=1)
    driver.start(plan)
    outcome = await driver.end()
    assert outcome.code("a") == outcome.code("d") == "tool_timeout"
    assert outcome.statuses["c"] == "succeeded"  # its place was given back
    before = len(outcome.log.events)
    release.set()
    await turns()
    assert len(outcome.log.events) == before, "what comes too late does not count"


async def test_a_thread_that_blocks_for_ever_does_not_hang_the_run() -> None:
    release = threading.Event()

    @tool(timeout=0.05)
    def block() -> None:
        release.wait()

    try:
        outcome = await execute(
            plan_of(step("a", "block"), step("b", "plus_one")), [block, plus_one]
        )
    finally:
        release.set()
    assert outcome.code("a") == "tool_timeout"
    assert outcome.statuses["b"] == "succeeded"


def _raising(error: BaseException) -> Callable[[], str]:
    def fail() -> str:
        raise error

    return fail


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        asyncio.CancelledError(),
        StopIteration(5),
        StopAsyncIteration(),
        ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
        TimeoutError("mine"),
        RecursionError("deep"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_tool_raises_is_a_failed_step(error: BaseException, sync: bool) -> None:
    raising = _raising(error)

    async def fail() -> str:
        return raising()

    odd = tool(name="odd")(raising if sync else fail)
    outcome = await execute(plan_of(step("a", "odd"), step("b", "plus_one")), [odd, plus_one])
    assert outcome.code("a") == "tool_failed"
    assert outcome.statuses["b"] == "succeeded"


@pytest.mark.parametrize("value", ["no number", None, [1], float("nan"), b"\xff", object()])
async def test_an_output_of_the_wrong_type_is_a_failed_step(value: Any) -> None:
    @tool
    async def wrong() -> int:
        return value  # type: ignore[no-any-return]

    outcome = await execute(plan_of(step("a", "wrong")), [wrong])
    assert outcome.code("a") == "invalid_output"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        {"x": [float("inf")]},
        {1, 2, object()},
        object(),
        b"\xff\xfe",
        {"x": [lambda: None]},
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_output_that_is_no_json_is_a_failed_step(value: Any) -> None:
    @tool
    async def wrong() -> Any:
        return value

    outcome = await execute(plan_of(step("a", "wrong")), [wrong])
    assert outcome.code("a") == "invalid_output"


async def test_an_output_that_nests_too_deep_is_a_failed_step() -> None:
    @tool
    async def deep() -> Any:
        value: list[Any] = []
        for _ in range(sys.getrecursionlimit() * 20):
            value = [value]
        return value

    outcome = await execute(plan_of(step("a", "deep")), [deep])
    assert outcome.code("a") == "invalid_output"


async def test_a_huge_output_is_passed_by_reference_and_its_consumers_get_the_value() -> None:
    lengths: list[int] = []

    @tool
    async def huge() -> str:
        return "x" * 1_000_000

    @tool
    async def measure(text: str) -> int:
        lengths.append(len(text))
        return len(text)

    plan = plan_of(step("a", "huge"), step("b", "measure", text="${a}"), answer="${b}")
    outcome = await execute(plan, [huge, measure])
    assert lengths == [1_000_000]
    output = outcome.steps["a"].output
    assert isinstance(output, dict)
    assert str(output["artifact"]).startswith("sha256:")
    assert all(len(repr(event)) < 5_000 for event in outcome.log.events)


async def test_a_part_that_an_output_does_not_have_fails_the_step_that_asks() -> None:
    plan = plan_of(step("a", "plus_one"), step("b", "plus_one", x="${a.field}"))
    outcome = await execute(plan, [tool(name="plus_one")(_anything)])
    assert outcome.code("b") == "reference_not_found"


async def _anything(x: Any = None) -> Any:
    return {"other": x}


async def test_an_argument_of_the_wrong_type_fails_before_the_call() -> None:
    calls: list[Any] = []

    @tool
    async def typed(x: int) -> None:
        calls.append(x)

    anything = tool(name="anything")(_anything)
    plan = plan_of(step("a", "anything"), step("b", "typed", x="${a}"))
    outcome = await execute(plan, [anything, typed])
    assert outcome.code("b") == "invalid_arguments"
    assert not calls


async def test_a_step_without_calls_leaves_no_start_behind() -> None:
    plan = plan_of(step("a", "plus_one", when="false"), step("b", "plus_one"))
    outcome = await execute(plan, [plus_one])
    assert [event.step_id for event in outcome.events(StepStarted)] == ["b"]
    assert len(outcome.events(StepFinished)) == 2
    assert not outcome.events(StepProgress)


async def test_a_step_may_be_added_behind_one_that_has_ended() -> None:
    plan = plan_of(step("a", "boom"), step("b", "plus_one", "a"))
    driver = Driver([plus_one, boom])
    driver.execution.add(plan["a"])
    await turns()
    driver.execution.add(Step.from_wire(plan["b"].wire()))
    driver.execution.seal(plan)
    outcome = await driver.end()
    assert outcome.statuses == {"a": "failed", "b": "skipped"}
