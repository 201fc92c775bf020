"""Deadlines: each call has its own, whatever the others do, and whatever its tool does about it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from tests.executor.conftest import Driver, Outcome, execute, plan_of, step

from treadle.core.errors import ToolError
from treadle.core.events import StepFinished, StepRetrying, StepStarted
from treadle.executor.calls import GRACE
from treadle.executor.node import State
from treadle.tools import CircuitBreaker, RateLimit, Tool, tool

BOUND = GRACE + 8
"""Generous: means that it does not hang."""


@tool
async def give(x: int = 1) -> int:
    """Give a number."""
    return x


def hanging(**options: Any) -> Tool:
    @tool(name="hang", **options)
    async def hang(x: int = 0) -> None:
        """Never end."""
        await asyncio.Event().wait()

    return hang


async def bounded(outcome: Any) -> Outcome:
    async with asyncio.timeout(BOUND):
        result: Outcome = await outcome
        return result


async def test_calls_end_in_the_order_of_their_deadlines() -> None:
    # Far apart: a busy machine may look at the deadlines late, and then at several at once.
    seconds = {f"s{n}": 0.05 + 0.25 * ((2 * n) % 5) for n in range(5)}
    plan = plan_of(*(step(name, "hang", timeout=wait) for name, wait in seconds.items()))
    outcome = await bounded(execute(plan, [hanging()], max_parallel=5))
    assert {outcome.code(name) for name in seconds} == {"tool_timeout"}
    began = {event.step_id: event.at for event in outcome.events(StepStarted)}
    ended = {event.step_id: event.at for event in outcome.events(StepFinished)}
    assert list(ended) == sorted(seconds, key=lambda name: seconds[name])
    # Never early. 2 ms: the loop's clock is no finer, and the record has another clock.
    assert all(ended[name] - began[name] > wait - 0.002 for name, wait in seconds.items())


async def test_a_long_timeout_is_no_timeout() -> None:
    plan = plan_of(step("a", "give", timeout=604_800), step("b", "hang", timeout=0.01))
    outcome = await bounded(execute(plan, [give, hanging()]))
    assert outcome.statuses == {"a": "succeeded", "b": "failed"}


GUARDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cached": {"effect": "pure", "cache": 60.0},
    "cut off": {"circuit": CircuitBreaker(failures=2, seconds=60)},
    "hedged": {"hedge": 0.01},
    "slowed down": {"rate": RateLimit(1000, 1.0)},
}


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_guarded_call_that_takes_too_long_has_failed(guard: str) -> None:
    plan = plan_of(step("a", "hang", timeout=0.05), step("b", "give", "a"))
    outcome = await bounded(execute(plan, [give, hanging(**GUARDS[guard])]))
    assert outcome.state is State.FAILED
    assert outcome.code("a") == "tool_timeout"
    assert outcome.code("b") == "dependency_failed"


async def test_a_tool_that_always_hangs_is_left_alone_by_its_circuit() -> None:
    tools = [hanging(circuit=CircuitBreaker(failures=2, seconds=60))]
    plan = plan_of(
        step("a", "hang", timeout=0.02, retry={"attempts": 5, "delay": 0.001, "max_delay": 0.001})
    )
    outcome = await bounded(execute(plan, tools))
    assert outcome.code("a") == "circuit_open"


async def test_a_synchronous_tool_is_left_behind_in_its_thread() -> None:
    release = threading.Event()

    @tool
    def block() -> None:
        """Block."""
        release.wait(BOUND)

    try:
        outcome = await bounded(execute(plan_of(step("a", "block", timeout=0.05)), [block]))
    finally:
        release.set()
    assert outcome.code("a") == "tool_timeout"


@pytest.mark.parametrize("raises", [False, True])
async def test_a_tool_that_answers_its_cancellation_in_its_own_way(raises: bool) -> None:
    @tool
    async def busy() -> str:
        """Give what there is when the time is up."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            if raises:
                raise ToolError("half_done", "half of it is done") from None
            return "half"
        return "all"

    outcome = await bounded(execute(plan_of(step("a", "busy", timeout=0.02)), [busy]))
    if raises:
        assert outcome.code("a") == "half_done"
    else:
        assert outcome.steps["a"].output == "half"


async def test_a_tool_that_goes_on_is_abandoned_and_its_slot_is_free() -> None:
    release = asyncio.Event()

    @tool(concurrency=1)
    async def stubborn(x: int) -> int:
        """Go on for ever, if it is the first."""
        while x == 0 and not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return x

    plan = plan_of(
        step("a", "stubborn", x=0, timeout=0.05, on_failure="value"), step("b", "stubborn", x=1)
    )
    try:
        outcome = await bounded(execute(plan, [stubborn], max_parallel=1))
    finally:
        release.set()
    assert outcome.code("a") == "tool_timeout"
    assert outcome.steps["b"].output == 1


async def test_each_attempt_has_the_whole_time() -> None:
    attempts = 0

    @tool
    async def slow_at_first() -> int:
        """Hang twice."""
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            await asyncio.Event().wait()
        return attempts

    retry = {"attempts": 3, "delay": 0.001, "max_delay": 0.001}
    plan = plan_of(step("a", "slow_at_first", timeout=0.05, retry=retry))
    outcome = await bounded(execute(plan, [slow_at_first]))
    assert outcome.steps["a"].output == 3
    assert [each.error.code for each in outcome.events(StepRetrying)] == ["tool_timeout"] * 2


@pytest.mark.parametrize("raised", [TimeoutError, asyncio.CancelledError])
async def test_what_a_tool_raises_by_itself_is_a_failure_of_its_own(
    raised: type[BaseException],
) -> None:
    @tool
    async def odd() -> None:
        """Raise what the loop raises."""
        raise raised

    outcome = await bounded(execute(plan_of(step("a", "odd"), step("b", "give", "a")), [odd, give]))
    assert outcome.state is State.FAILED
    assert outcome.code("a") == "tool_failed"
    assert outcome.code("b") == "dependency_failed"


@pytest.mark.parametrize("waits", [False, True])
async def test_a_tool_that_cancels_its_own_task_has_failed_and_no_other(waits: bool) -> None:
    @tool
    async def suicidal() -> int:
        """Cancel the task it runs in."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if waits:
            await asyncio.sleep(0)
        return 1

    @tool
    async def later(x: int = 0) -> int:
        """Wait a moment."""
        await asyncio.sleep(0)
        return x

    plan = plan_of(step("a", "suicidal"), *(step(f"b{n}", "later") for n in range(3)))
    outcome = await bounded(execute(plan, [suicidal, later], max_parallel=1))
    assert outcome.statuses.pop("a") == ("failed" if waits else "succeeded")
    assert {outcome.statuses[f"b{n}"] for n in range(3)} == {"succeeded"}
    assert outcome.state is (State.FAILED if waits else State.SUCCEEDED)


async def test_a_call_whose_time_is_up_while_the_run_is_cancelled_is_cancelled() -> None:
    started = asyncio.Event()

    @tool
    async def slow_to_go() -> None:
        """Need a while to clean up."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1.0)

    driver = Driver([slow_to_go])
    driver.start(plan_of(step("a", "slow_to_go", timeout=0.6)))
    await asyncio.wait_for(started.wait(), BOUND)
    driver.execution.cancel()
    outcome = await driver.end(BOUND)
    assert outcome.statuses == {"a": "cancelled"}


async def test_a_call_that_blocks_the_loop_past_its_deadline_ends_once() -> None:
    @tool
    async def block(x: float) -> float:
        """Block the loop, twice."""
        time.sleep(0.3)  # long enough for a look at the deadlines to be due
        await asyncio.sleep(0)
        time.sleep(x)
        return x

    plan = plan_of(step("a", "block", x=GRACE + 0.5, timeout=0.1), step("b", "block", x=0.0))
    outcome = await bounded(execute(plan, [block]))
    assert outcome.statuses["a"] in {"succeeded", "failed"}
    assert len(outcome.events(StepFinished)) == 2


async def test_time_before_a_call_begins_does_not_count() -> None:
    begun = 0

    @tool
    async def block() -> None:
        """Block the loop when others have begun."""
        nonlocal begun
        begun += 1
        await asyncio.sleep(0)
        time.sleep(0.3)

    plan = plan_of(
        *(step(f"a{n}", "block") for n in range(3)),
        *(step(f"b{n}", "give", f"a{n}", timeout=0.01) for n in range(3)),
    )
    outcome = await bounded(execute(plan, [block, give]))
    assert set(outcome.statuses.values()) == {"succeeded"}
