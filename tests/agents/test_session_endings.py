"""How a turn of a ChatSession can end, and that the session goes on after each end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from tests.agents.conftest import (
    SECONDS,
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
from treadle.core.events import RunFinished
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


async def test_a_turn_replans() -> None:
    document = plan(step("a", "boom"), step("b", "add", a="${a}", b=1), answer="${b}")
    patch = {"action": "replan", "patch": {"replace": [step("b", "add", a=4, b=4)]}}
    async with runtime([document, patch], [add, boom]) as rt:
        result = await turn(ChatSession(rt).stream("x"))
    assert (result.status, result.answer) == ("succeeded", 8)


async def test_a_failure_beside_a_call_that_waits_does_not_keep_anybody_from_deciding() -> None:
    document = plan(step("a", "boom"), step("m", "mail", to="ann"), answer="${m}")
    early = {"action": "answer", "answer": "It failed, and nothing was sent."}
    late = {"action": "answer", "answer": "It failed, but the mail was sent."}
    async with runtime([document, early, late], [boom, mail]) as rt:
        session = ChatSession(rt)
        waiting = await turn(session.stream("x"))
        assert waiting.status == "waiting"
        assert [call.step_id for call in session.pending_calls()] == ["m"]
        result = await turn(session.decide(True))
    check_events(result.events)
    assert (result.status, result.answer) == ("succeeded", "It failed, but the mail was sent.")
    assert [each.status for each in result.steps] == ["failed", "succeeded"]
