"""A tool that keeps failing is left alone, then tried again, once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.executor.calling.worker import Worker, failure, settle

from treadle.core.errors import BudgetExceeded, ModelError, ToolError, TreadleError
from treadle.executor.calling import ToolCaller
from treadle.executor.calling.circuit import Attempt, Circuit, Verdict
from treadle.testing import FakeClock
from treadle.tools import CircuitBreaker, Tool, tool


def answering(ends: list[Any], breaker: CircuitBreaker) -> Tool:
    left = deque(ends)

    @tool(circuit=breaker)
    async def work() -> Any:
        end = left.popleft()
        if isinstance(end, BaseException):
            raise end
        return end

    return work


async def outcome(caller: ToolCaller, work: Tool) -> object:
    try:
        return await caller.call(work, {})
    except TreadleError as error:
        return error.code


async def test_it_opens_after_failures_in_a_row(caller: ToolCaller, clock: FakeClock) -> None:
    ends = [failure(), 1, failure(), ValueError("raised"), 2]
    work = answering(ends, CircuitBreaker(failures=2, seconds=30))
    got = [await outcome(caller, work) for _ in range(5)]
    assert got == ["down", 1, "down", "tool_failed", "circuit_open"]
    with pytest.raises(ToolError, match=r"2 times in a row.*in 30 s") as raised:
        await caller.call(work, {})
    assert raised.value.retryable
    clock.advance(30)
    assert await outcome(caller, work) == 2


async def test_a_failed_probe_opens_it_again(caller: ToolCaller, clock: FakeClock) -> None:
    work = answering([failure(), failure(), "well"], CircuitBreaker(failures=1, seconds=10))
    assert await outcome(caller, work) == "down"
    clock.advance(10)
    assert await outcome(caller, work) == "down"
    assert await outcome(caller, work) == "circuit_open"
    clock.advance(10)
    assert await outcome(caller, work) == "well"


async def test_exactly_one_probe_goes_through(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    work = worker.tool(circuit=CircuitBreaker(failures=1, seconds=10))
    await fail_once(caller, work, worker)
    clock.advance(10)
    calls = [asyncio.create_task(outcome(caller, work)) for _ in range(4)]
    await settle()
    assert len(worker.calls) == 2
    assert sorted(str(each.result()) for each in calls if each.done()) == ["circuit_open"] * 3
    worker.calls[1].end.set_result("well")
    await settle()
    assert [each.result() for each in calls].count("well") == 1


async def test_a_cancelled_probe_does_not_leave_it_stuck(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    work = worker.tool(circuit=CircuitBreaker(failures=1, seconds=10))
    await fail_once(caller, work, worker)
    clock.advance(10)
    probe = asyncio.create_task(outcome(caller, work))
    await worker.until(2)
    probe.cancel()
    await settle()
    second = asyncio.create_task(outcome(caller, work))
    await worker.until(3)
    worker.calls[2].end.set_result("well")
    assert await second == "well"


async def test_a_probe_that_never_ends_does_not_leave_it_stuck(
    caller: ToolCaller, clock: FakeClock, worker: Worker
) -> None:
    work = worker.tool(circuit=CircuitBreaker(failures=1, seconds=10), timeout=5)
    await fail_once(caller, work, worker)
    clock.advance(10)
    lost = asyncio.create_task(outcome(caller, work))
    await worker.until(2)
    clock.advance(7)
    second = asyncio.create_task(outcome(caller, work))
    await worker.until(3)
    worker.calls[1].end.set_exception(failure())  # too late to say anything
    assert await lost == "down"
    worker.calls[2].end.set_result("well")
    assert await second == "well"
    third = asyncio.create_task(outcome(caller, work))
    await worker.until(4)
    worker.calls[3].end.set_result("still")
    assert await third == "still"


async def fail_once(caller: ToolCaller, work: Tool, worker: Worker) -> None:
    call = asyncio.create_task(outcome(caller, work))
    await worker.until(1)
    worker.calls[0].end.set_exception(failure())
    assert await call == "down"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (failure(), Verdict.FAILED),
        (ModelError("model_unreachable", "no", retryable=True), Verdict.FAILED),
        (failure("not_found", retryable=False), Verdict.ANSWERED),
        (failure("invalid_arguments", retryable=False), Verdict.NOTHING),
        (BudgetExceeded("steps", 1, 1), Verdict.NOTHING),
    ],
)
def test_what_an_error_says(error: TreadleError, verdict: Verdict) -> None:
    assert Verdict.of(error) is verdict


class CircuitMachine(RuleBasedStateMachine):
    """The circuit against what it promises, told from outside by what it let through."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.circuit = Circuit("work", CircuitBreaker(3, 10), self.clock)
        self.under_way: list[Attempt] = []
        self.in_a_row = 0
        self.open_until: float | None = None
        self.probe: Attempt | None = None
        self.probe_until = 0.0

    def would_pass(self) -> bool:
        now = self.clock.monotonic()
        if self.open_until is None:
            return True
        return now >= self.open_until and (self.probe is None or now >= self.probe_until)

    @rule()
    def call(self) -> None:
        if not self.would_pass():
            with pytest.raises(ToolError) as raised:
                self.circuit.admit(4)
            assert raised.value.code == "circuit_open"
            return
        attempt = self.circuit.admit(4)
        if self.open_until is not None:
            self.probe, self.probe_until = attempt, self.clock.monotonic() + 4
            self.under_way.clear()  # what is older says nothing any more: see `settle_old`
        self.under_way.append(attempt)

    @rule(place=st.integers(0, 20), verdict=st.sampled_from(Verdict), twice=st.booleans())
    def end(self, place: int, verdict: Verdict, twice: bool) -> None:
        if not self.under_way:
            return
        attempt = self.under_way.pop(place % len(self.under_way))
        attempt.settle(verdict)
        if twice:
            attempt.settle(Verdict.FAILED)
        attempt.release()
        if verdict is Verdict.ANSWERED:
            self.in_a_row = 0
            self.open_until = None
        elif verdict is Verdict.FAILED:
            self.in_a_row += 1
            if self.probe is not None or self.in_a_row >= 3:
                self.open_until = self.clock.monotonic() + 10
                self.settle_old()
        self.probe = None

    def settle_old(self) -> None:
        """Calls from before it opened change nothing, whatever they came to."""
        old, self.under_way = self.under_way, []
        for number, each in enumerate(old):
            each.settle(list(Verdict)[number % 3])

    @rule(seconds=st.sampled_from([1, 4, 10]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def it_lets_through_what_it_should(self) -> None:
        try:
            self.circuit.check()
        except ToolError:
            assert not self.would_pass()
        else:
            assert self.would_pass()


CircuitMachine.TestCase.settings = settings(max_examples=200, deadline=None)
TestCircuitMachine = CircuitMachine.TestCase
