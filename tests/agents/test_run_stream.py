"""A run that goes on while its events are read, and every way to leave it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.agents.conftest import (
    SECONDS,
    SUM,
    Forever,
    add,
    boom,
    check_events,
    check_record,
    mail,
    plan,
    runtime,
    step,
)

from treadle.core.chat import ChatRequest
from treadle.core.errors import RunError
from treadle.core.events import Event, RunFinished, RunStarted, StepFinished, StepStarted
from treadle.executor import ApprovalRequest
from treadle.testing import ScriptedModel

LONG = plan(
    step("done", "add", a=1, b=2),
    {**step("long", "forever"), "after": ["done"]},
    {**step("later", "add", a=1, b=1), "after": ["long"]},
    answer="${later}",
)


class Silent(ScriptedModel):
    """A model that never says anything to calls with the given purpose."""

    def __init__(self, purpose: str, replies: Any = ()) -> None:
        super().__init__(replies)
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()
        self._purpose = purpose

    async def stream(self, request: ChatRequest) -> AsyncIterator[Any]:
        if request.hint is not None and request.hint.purpose == self._purpose:
            self.asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.closed.set()
        async for delta in super().stream(request):
            yield delta


async def test_events_come_in_order_and_end_with_the_end_of_the_run() -> None:
    async with runtime([SUM]) as rt, rt.stream("add") as run:
        events = [event async for event in run]
    assert isinstance(events[0], RunStarted)
    check_events(events)
    assert run.result.answer == "it is 5"
    assert list(run.result.events) == events == run.events
    assert {event.run_id for event in events} == {run.run_id}


async def test_a_late_reader_misses_nothing_and_two_readers_see_the_same() -> None:
    async with runtime([SUM]) as rt, rt.stream("add") as run:
        first = [event async for event in run]
        second = [event async for event in run]
    assert first == second


async def test_there_is_no_result_while_the_run_goes_on() -> None:
    forever = Forever()
    async with runtime([LONG], [add, forever.tool]) as rt, rt.stream("x") as run:
        await forever.started.wait()
        with pytest.raises(RunError) as caught:
            _ = run.result
        assert caught.value.code == "run_not_finished"


async def cancelled_when(run: Any, reached: asyncio.Event) -> list[Event]:
    events: list[Event] = []

    async def read() -> None:
        async for event in run:
            events.append(event)

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(read())
        await reached.wait()
        run.cancel()
    return events


async def test_cancelling_while_steps_run_keeps_what_was_done() -> None:
    before = asyncio.all_tasks()
    forever = Forever()
    async with runtime([LONG], [add, forever.tool]) as rt, rt.stream("x") as run:
        check_events(await cancelled_when(run, forever.started))
    result = run.result
    check_record(result)
    assert result.status == "cancelled"
    assert result.error is not None
    assert result.error.code == "cancelled"
    assert result.steps[0].output == 3
    assert [each.status for each in result.steps][1:] in (
        ["cancelled"],
        ["cancelled", "cancelled"],
    )
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("purpose", ["plan", "join"])
async def test_cancelling_while_the_model_is_asked_closes_its_stream(purpose: str) -> None:
    before = asyncio.all_tasks()
    model = Silent(purpose, [plan(step("a", "add", a=1, b=2))])
    async with runtime([], [add], model=model) as rt, rt.stream("x") as run:
        check_events(await cancelled_when(run, model.asked))
    assert run.result.status == "cancelled"
    assert model.closed.is_set()
    assert [each.output for each in run.result.steps] == ([] if purpose == "plan" else [3])
    assert asyncio.all_tasks() == before


async def test_cancelling_while_a_person_is_asked() -> None:
    asked = asyncio.Event()

    async def think(request: ApprovalRequest) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    async with runtime([plan(step("m", "mail", to="x"))], [mail], approve=think) as rt:
        run = rt.stream("x")
        async with run:
            await cancelled_when(run, asked)
    assert run.result.status == "cancelled"
    assert [each.status for each in run.result.steps] == ["cancelled"]


async def test_leaving_the_block_early_cancels_the_run() -> None:
    before = asyncio.all_tasks()
    forever = Forever()
    async with runtime([LONG], [add, forever.tool]) as rt:
        run = rt.stream("x")
        async with asyncio.timeout(SECONDS), run:
            async for event in run:
                if isinstance(event, StepStarted) and event.step_id == "long":
                    break
    assert run.result.status == "cancelled"
    check_record(run.result)
    assert asyncio.all_tasks() == before


async def test_leaving_the_block_before_anything_has_begun() -> None:
    async with runtime([SUM]) as rt, asyncio.timeout(SECONDS), rt.stream("x") as run:
        pass
    assert run.result.status == "cancelled"
    check_record(run.result)


@pytest.mark.parametrize("begun", [True, False])
async def test_an_error_inside_the_block_cancels_the_run_and_is_not_changed(begun: bool) -> None:
    forever = Forever()
    cause, mine = ValueError("the cause"), LookupError("mine")
    async with runtime([LONG], [add, forever.tool]) as rt:
        run = rt.stream("x")

        async def leave() -> None:
            async with asyncio.timeout(SECONDS), run:
                if begun:
                    await forever.started.wait()
                raise mine from cause

        with pytest.raises(LookupError) as caught:
            await leave()
    assert caught.value is mine
    assert mine.__cause__ is cause
    assert run.result.status == "cancelled"
    check_record(run.result)


@pytest.mark.parametrize("begun", [True, False])
async def test_cancelling_the_task_that_reads_is_raised_again_after_an_orderly_end(
    begun: bool,
) -> None:
    forever = Forever()
    entered = asyncio.Event()
    runs: list[Any] = []

    async def read() -> None:
        async with rt.stream("x") as run:
            runs.append(run)
            entered.set()
            async for _ in run:
                pass

    async with runtime([LONG], [add, forever.tool]) as rt:
        before = asyncio.all_tasks()
        reader = asyncio.ensure_future(read())
        await (forever.started if begun else entered).wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reader, SECONDS)
        assert reader.cancelled()
        assert runs[0].result.status == "cancelled"
        check_record(runs[0].result)
        assert asyncio.all_tasks() == before


async def test_cancelling_run_itself_is_raised_again() -> None:
    forever = Forever()
    async with runtime([LONG], [add, forever.tool]) as rt:
        running = asyncio.ensure_future(rt.run("x"))
        await forever.started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, SECONDS)


async def test_a_deadline_around_a_run() -> None:
    forever = Forever()
    async with runtime([LONG], [add, forever.tool]) as rt:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await rt.run("x")
        assert (await rt.run(_sum())).answer == "it is 5"


def _sum() -> Any:
    from treadle.planner import Plan

    return Plan.from_wire(SUM)


@pytest.mark.parametrize("coded", [False, True])
async def test_what_an_approver_raises_reaches_the_caller_after_an_orderly_end(
    coded: bool,
) -> None:
    error = RunError("nobody", "nobody there") if coded else LookupError("nobody there")

    async def fail(request: ApprovalRequest) -> bool:
        raise error

    events: list[Event] = []
    document = plan(step("a", "add", a=1, b=2), step("m", "mail", to="x"), answer="${m}")
    async with runtime([document], [add, mail], approve=fail) as rt:
        run = rt.stream("x")

        async def read() -> None:
            async with asyncio.timeout(SECONDS), run:
                async for event in run:
                    events.append(event)

        with pytest.raises(type(error)) as caught:
            await read()
        assert caught.value is error
        check_events(run.events)
        assert events[-1] is run.events[-1]
        last = run.events[-1]
        assert isinstance(last, RunFinished)
        assert last.status == "failed"
        assert last.error is not None
        assert "nobody there" in last.error.message
        ended = {e.step_id: e.status for e in run.events if isinstance(e, StepFinished)}
        assert ended["m"] == "cancelled"


async def test_a_failing_run_is_a_result_and_not_an_exception() -> None:
    replies = [plan(step("a", "boom")), {"action": "fail", "reason": "no way"}]
    async with runtime(replies, [boom]) as rt, rt.stream("x") as run:
        events = [event async for event in run]
    check_events(events)
    assert run.result.status == "failed"
    assert run.result.error is not None
    assert run.result.error.code == "broken"
