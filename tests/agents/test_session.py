"""ChatSession: a conversation whose turns are runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from tests.agents.conftest import (
    SECONDS,
    SUM,
    Forever,
    add,
    boom,
    check_events,
    mail,
    plan,
    runtime,
    step,
)

from treadle import ChatSession
from treadle.agents import RunStream
from treadle.core.chat import Message
from treadle.core.errors import ModelError, RunError
from treadle.core.events import Event, RunFinished, RunWaiting, StepStarted
from treadle.executor import RunResult
from treadle.testing import ScriptedModel

HELLO: dict[str, Any] = {"steps": [], "answer": "hi"}
MAIL = plan(step("a", "add", a=1, b=1), step("m", "mail", to="ann"), answer="${m}")


async def turn(stream: RunStream) -> RunResult:
    async with asyncio.timeout(SECONDS), stream as run:
        async for _ in run:
            pass
    return run.result


def contents(model: ScriptedModel, request: int = -1) -> list[str]:
    return [message.content for message in model.requests[request].messages[1:]]


async def test_turns_are_runs_and_the_conversation_goes_to_the_planner() -> None:
    model = ScriptedModel([HELLO, SUM, HELLO])
    async with runtime([], model=model) as rt:
        session = ChatSession(rt)
        results = [await turn(session.stream(text)) for text in ("one", "two", "three")]
    assert [each.answer for each in results] == ["hi", "it is 5", "hi"]
    assert len({each.run_id for each in results}) == 3
    for each in results:
        check_events(each.events)
    assert contents(model) == ["one", "hi", "two", "it is 5", "three"]
    assert session.messages == (
        Message("user", "one"),
        Message("assistant", "hi"),
        Message("user", "two"),
        Message("assistant", "it is 5"),
        Message("user", "three"),
        Message("assistant", "hi"),
    )
    assert session.usage.calls == 3
    assert session.last_plan is not None


async def test_steps_start_while_the_plan_is_still_being_written() -> None:
    started = asyncio.Event()
    forever = Forever()

    class Hesitating(ScriptedModel):
        async def stream(self, request: Any) -> AsyncIterator[Any]:
            written = ""
            async for delta in super().stream(request):
                written += getattr(delta, "text", "")
                if '"b"' in written:
                    await forever.started.wait()
                    started.set()
                yield delta

    document = plan(step("f", "forever"), step("b", "add", a=1, b=1), answer="${f}")
    async with runtime([], [forever.tool, add], model=Hesitating([document])) as rt:
        run = ChatSession(rt).stream("x")
        async with run:
            await asyncio.wait_for(started.wait(), SECONDS)
    assert run.result.status == "cancelled"


async def test_a_conversation_goes_on_in_another_session() -> None:
    model = ScriptedModel([HELLO, HELLO, HELLO])
    saver = InMemorySaver()
    async with runtime([], model=model) as rt:
        first = ChatSession(rt, checkpointer=saver, thread_id="t")
        await turn(first.stream("one"))
        second = ChatSession(rt, checkpointer=saver, thread_id="t")
        assert second.messages == ()
        assert len(await second.load()) == 2
        await turn(second.stream("two"))
        assert contents(model) == ["one", "hi", "two"]
        other = ChatSession(rt, checkpointer=saver, thread_id="other")
        await turn(other.stream("three"))
        assert contents(model) == ["three"]


async def test_reset_forgets_the_conversation_in_the_checkpointer_too() -> None:
    model = ScriptedModel([HELLO, HELLO])
    saver = InMemorySaver()
    async with runtime([], model=model) as rt:
        session = ChatSession(rt, checkpointer=saver, thread_id="t")
        await turn(session.stream("one"))
        await session.reset()
        assert session.messages == ()
        assert session.usage.calls == 0
        assert session.last_plan is None
        assert await ChatSession(rt, checkpointer=saver, thread_id="t").load() == ()
        await turn(session.stream("two"))
    assert contents(model) == ["two"]


@pytest.mark.parametrize("approved", [True, False])
async def test_a_turn_that_waits_goes_on_with_a_decision(approved: bool) -> None:
    refused = {"action": "answer", "answer": "Not sent."}
    model = ScriptedModel([MAIL, HELLO] if approved else [MAIL, refused, HELLO])
    async with runtime([], model=model) as rt:
        session = ChatSession(rt)
        waiting = await turn(session.stream("mail ann"))
        assert waiting.status == "waiting"
        assert isinstance(waiting.events[-1], RunWaiting)
        assert [call.arguments for call in session.pending_calls()] == [{"to": "ann"}]
        events: list[Event] = []
        async with session.decide(approved) as run:
            async for event in run:
                events.append(event)
        assert run.result.status == "succeeded"
        expected = "sent to ann" if approved else "Not sent."
        assert run.result.answer == expected
        assert events[0].seq == len(waiting.events)
        check_events(run.result.events)
        assert session.pending_calls() == ()
        assert session.messages[-1] == Message("assistant", expected)
        await turn(session.stream("thanks"))
    assert contents(model) == ["mail ann", expected, "thanks"]


async def test_there_must_be_something_to_decide() -> None:
    async with runtime([HELLO]) as rt:
        session = ChatSession(rt)
        for _ in range(2):
            with pytest.raises(RunError) as caught:
                session.decide(True)
            assert caught.value.code == "nothing_waits"
            await turn(session.stream("x")) if not session.messages else None


async def test_another_question_gives_the_waiting_turn_up() -> None:
    model = ScriptedModel([MAIL, HELLO, MAIL])
    async with runtime([], model=model) as rt:
        session = ChatSession(rt)
        async with session.stream("mail ann") as first:
            async for _ in first:
                pass
        assert (await turn(session.stream("never mind"))).answer == "hi"
        last = first.events[-1]
        assert isinstance(last, RunFinished)
        assert last.status == "cancelled"
        assert session.pending_calls() == ()
        with pytest.raises(RunError) as caught:
            session.decide(True)
        assert caught.value.code == "nothing_waits"
        assert (await turn(session.stream("mail again"))).status == "waiting"
        assert (await turn(session.decide(True))).answer == "sent to ann"


async def test_a_failing_turn_leaves_the_session_usable() -> None:
    replies = [
        ModelError("model_unreachable", "nobody there"),
        plan(step("a", "boom")),
        {"action": "fail", "reason": "no"},
        HELLO,
    ]
    model = ScriptedModel(replies)
    async with runtime([], [boom], model=model) as rt:
        session = ChatSession(rt)
        for expected in ("model_unreachable", "broken"):
            result = await turn(session.stream("x"))
            assert result.status == "failed"
            assert result.error is not None
            assert result.error.code == expected
            assert expected in session.messages[-1].content
        assert (await turn(session.stream("y"))).answer == "hi"


async def test_cancelling_a_turn_stops_the_run_and_not_the_session() -> None:
    before = asyncio.all_tasks()
    forever = Forever()
    document = plan(step("a", "add", a=1, b=2), {**step("f", "forever"), "after": ["a"]})
    async with runtime([document, HELLO], [add, forever.tool]) as rt:
        session = ChatSession(rt)
        async with asyncio.timeout(SECONDS), session.stream("x") as run:
            async for event in run:
                if isinstance(event, StepStarted) and event.step_id == "f":
                    run.cancel()
        assert run.result.status == "cancelled"
        assert run.result.steps[0].output == 3
        check_events(run.result.events)
        assert (await turn(session.stream("y"))).answer == "hi"
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("begun", [True, False])
async def test_leaving_a_turn_early_leaves_the_session_usable(begun: bool) -> None:
    forever = Forever()
    replies = [plan(step("f", "forever"))] if begun else []
    async with runtime([*replies, HELLO], [forever.tool]) as rt:
        session = ChatSession(rt)
        run = session.stream("x")

        async def leave() -> None:
            async with asyncio.timeout(SECONDS), run:
                if begun:
                    await forever.started.wait()
                raise LookupError("mine")

        with pytest.raises(LookupError):
            await leave()
        check_events(run.events)
        last = run.events[-1]
        assert isinstance(last, RunFinished)
        assert last.status == "cancelled"
        assert (await turn(session.stream("y"))).answer == "hi"


async def test_cancelling_the_task_of_a_turn_leaves_the_session_usable() -> None:
    forever = Forever()
    async with runtime([plan(step("f", "forever")), HELLO], [forever.tool]) as rt:
        session = ChatSession(rt)
        task = asyncio.ensure_future(turn(session.stream("x")))
        await forever.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, SECONDS)
        assert (await turn(session.stream("y"))).answer == "hi"


class Slow(InMemorySaver):
    """A checkpointer that never answers until told to."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = True
        self.asked = asyncio.Event()

    async def aget_tuple(self, config: Any) -> Any:
        self.asked.set()
        if self.hold:
            await asyncio.Event().wait()
        return await super().aget_tuple(config)


async def test_a_turn_that_is_cancelled_while_the_conversation_loads() -> None:
    saver = Slow()
    async with runtime([HELLO]) as rt:
        session = ChatSession(rt, checkpointer=saver)
        task = asyncio.ensure_future(turn(session.stream("x")))
        await saver.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, SECONDS)
        saver.hold = False
        assert (await turn(session.stream("y"))).answer == "hi"


async def test_one_turn_at_a_time() -> None:
    forever = Forever()
    async with runtime([plan(step("f", "forever")), HELLO], [forever.tool]) as rt:
        session = ChatSession(rt)
        async with session.stream("x") as first:
            await forever.started.wait()
            with pytest.raises(RunError) as caught:
                await turn(session.stream("y"))
            assert caught.value.code == "turn_running"
            first.cancel()
        assert first.result.status == "cancelled"
        assert (await turn(session.stream("z"))).answer == "hi"


async def test_a_closed_runtime_says_so() -> None:
    async with runtime([HELLO]) as rt:
        session = ChatSession(rt)
    with pytest.raises(RunError) as caught:
        session.stream("x")
    assert caught.value.code == "runtime_closed"


async def test_an_approver_of_the_runtime_is_asked_and_nothing_waits() -> None:
    async def agree(request: Any) -> bool:
        return True

    async with runtime([MAIL], [add, mail], approve=agree) as rt:
        session = ChatSession(rt)
        assert (await turn(session.stream("x"))).answer == "sent to ann"
        assert session.pending_calls() == ()


async def test_an_approver_that_raises_ends_the_turn_in_order() -> None:
    async def fail(request: Any) -> bool:
        raise LookupError("nobody there")

    async with runtime([MAIL, HELLO], [add, mail], approve=fail) as rt:
        session = ChatSession(rt)
        run = session.stream("x")
        with pytest.raises(LookupError):
            await turn(run)
        check_events(run.events)
        assert (await turn(session.stream("y"))).answer == "hi"


async def test_a_long_conversation_is_cut_at_its_old_end() -> None:
    model = ScriptedModel(lambda request: HELLO)
    async with runtime([], model=model) as rt:
        session = ChatSession(rt)
        for number in range(5):
            await turn(session.stream(f"{number}" * 10_000))
    seen = contents(model)
    assert len(seen) < 9
    assert seen[-1] == "4" * 10_000
    assert "3" * 10_000 in seen
    assert "0" * 10_000 not in seen


async def test_a_turn_replans() -> None:
    document = plan(step("a", "boom"), step("b", "add", a="${a}", b=1), answer="${b}")
    patch = {"action": "replan", "patch": {"replace": [step("b", "add", a=4, b=4)]}}
    async with runtime([document, patch], [add, boom]) as rt:
        result = await turn(ChatSession(rt).stream("x"))
    assert (result.status, result.answer) == ("succeeded", 8)


async def test_a_plan_of_a_session_is_made_in_its_context_and_leaves_no_trace() -> None:
    model = ScriptedModel([HELLO, SUM, HELLO])
    async with runtime([], model=model) as rt:
        session = ChatSession(rt)
        await turn(session.stream("one"))
        made = await session.plan("two")
        assert [each.id for each in made.steps] == ["a", "b"]
        assert session.last_plan == made
        assert session.usage.calls == 2
        await turn(session.stream("three"))
    assert contents(model, 1) == ["one", "hi", "two"]
    assert contents(model, 2) == ["one", "hi", "three"]


async def test_a_turn_under_way_is_not_forgotten() -> None:
    forever = Forever()
    async with runtime([plan(step("f", "forever"))], [forever.tool]) as rt:
        session = ChatSession(rt)
        async with session.stream("x"):
            await forever.started.wait()
            for use in (session.reset(), session.plan("y")):
                with pytest.raises(RunError) as caught:
                    await use
                assert caught.value.code == "turn_running"
