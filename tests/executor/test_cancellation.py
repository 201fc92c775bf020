"""Stopping: everything ends in bounded time, what was done is kept, nothing is left behind."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.executor.conftest import Driver, Outcome, plan_of, step

from treadle.core.errors import ToolError
from treadle.core.events import StepStarted
from treadle.executor import ApprovalRequest
from treadle.executor.calls import GRACE
from treadle.executor.node import State
from treadle.planner import Plan
from treadle.tools import Tool, tool

BOUND = GRACE + 5
"""Generous: means that it does not hang."""


@tool(effect="pure")
async def give(value: int = 1) -> int:
    return value


@tool(effect="irreversible")
async def mail() -> str:
    return "sent"


class Started:
    """A tool that never ends by itself."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.cleaned = False

        @tool
        async def forever() -> None:
            self.event.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                self.cleaned = True

        self.tool = forever


async def cancelled(plan: Plan, tools: list[Tool], started: asyncio.Event) -> Outcome:
    driver = Driver(tools)
    driver.start(plan)
    async with asyncio.timeout(10):
        await started.wait()
    driver.execution.cancel()
    return await driver.end(BOUND)


async def test_results_are_kept_and_every_step_has_its_end() -> None:
    before = asyncio.all_tasks()
    started = Started()
    plan = plan_of(
        step("done", "give", value=7),
        step("long", "forever", "done"),
        step("later", "give", "long"),
        step("last", "give", "later"),
    )
    outcome = await cancelled(plan, [give, started.tool], started.event)
    assert outcome.state is State.CANCELLED
    assert outcome.steps["done"].output == 7
    assert outcome.statuses == {
        "done": "succeeded",
        "long": "cancelled",
        "later": "cancelled",
        "last": "cancelled",
    }
    assert outcome.code("long") == "cancelled"
    assert started.cleaned
    assert asyncio.all_tasks() == before


async def test_a_tool_that_swallows_its_cancellation_is_left_behind() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @tool
    async def stubborn() -> int:
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return 1

    outcome = await cancelled(plan_of(step("a", "stubborn")), [stubborn], started)
    assert outcome.statuses == {"a": "cancelled"}
    before = len(outcome.log.events)
    release.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(outcome.log.events) == before


async def test_a_thread_that_blocks_is_left_behind() -> None:
    loop, started = asyncio.get_running_loop(), asyncio.Event()
    release = threading.Event()

    @tool
    def block() -> None:
        loop.call_soon_threadsafe(started.set)
        release.wait()

    try:
        outcome = await cancelled(plan_of(step("a", "block")), [block], started)
    finally:
        release.set()
    assert outcome.statuses == {"a": "cancelled"}


async def test_a_pause_before_a_retry_ends_at_once() -> None:
    failed = asyncio.Event()

    @tool
    async def flaky() -> None:
        failed.set()
        raise ToolError("flaky", "again", retryable=True)

    retry = {"attempts": 5, "delay": 3600, "max_delay": 3600}
    plan = plan_of(
        step("a", "flaky", retry=retry), step("b", "flaky", for_each=[1, 2], retry=retry)
    )
    outcome = await cancelled(plan, [flaky], failed)
    assert outcome.statuses == {"a": "cancelled", "b": "cancelled"}


async def test_a_tool_that_raises_while_it_is_cancelled_has_failed() -> None:
    started = asyncio.Event()

    @tool
    async def clumsy() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("in the cleanup")

    outcome = await cancelled(plan_of(step("a", "clumsy")), [clumsy], started)
    assert outcome.state is State.CANCELLED
    assert outcome.statuses["a"] in {"failed", "cancelled"}


async def test_an_approver_that_never_answers_is_cancelled() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def think(request: ApprovalRequest) -> bool:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return True

    driver = Driver([mail], approve=think)
    driver.start(plan_of(step("m", "mail")))
    await asked.wait()
    driver.execution.cancel()
    outcome = await driver.end(BOUND)
    assert outcome.statuses == {"m": "cancelled"}
    assert ended.is_set()


async def test_an_approver_that_swallows_its_cancellation_is_left_behind() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def think(request: ApprovalRequest) -> bool:
        asked.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return True

    driver = Driver([mail], approve=think)
    driver.start(plan_of(step("m", "mail")))
    await asked.wait()
    driver.execution.cancel()
    try:
        outcome = await driver.end(BOUND)
    finally:
        release.set()
    before = len(outcome.log.events)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert outcome.statuses == {"m": "cancelled"}
    assert len(outcome.log.events) == before, "an answer that comes too late does not count"


async def test_what_an_approver_raises_reaches_the_caller() -> None:
    async def fail(request: ApprovalRequest) -> bool:
        raise LookupError("nobody there")

    driver = Driver([mail, give], approve=fail)
    driver.start(plan_of(step("m", "mail"), step("g", "give", "m")))
    with pytest.raises(LookupError, match="nobody there"):
        await driver.end(BOUND)


async def test_nothing_starts_after_a_cancellation() -> None:
    driver = Driver([give])
    plan = plan_of(step("a", "give"), step("b", "give", "a"))
    driver.execution.cancel()
    driver.start(plan)
    outcome = await driver.end(BOUND)
    assert outcome.statuses == {"a": "cancelled", "b": "cancelled"}
    assert not outcome.events(StepStarted)


async def test_cancelling_twice_changes_nothing() -> None:
    started = Started()
    driver = Driver([started.tool])
    driver.start(plan_of(step("a", "forever")))
    await started.event.wait()
    driver.execution.cancel()
    driver.execution.cancel()
    outcome = await driver.end(BOUND)
    assert outcome.statuses == {"a": "cancelled"}
