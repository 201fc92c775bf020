"""ChatSession: a conversation whose turns are runs."""

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from tests.agents.conftest import SECONDS, SUM, TOOLS, Forever, check_record, plan, runtime, step

from treadle.agents import ChatSession, RunStream
from treadle.core.chat import ChatRequest, Message, Usage
from treadle.core.errors import ModelError, RunError
from treadle.core.events import Event, RunFinished, RunWaiting, StepFinished
from treadle.executor import RunResult
from treadle.testing import ScriptedModel

MAIL = plan(step("a", "mail", to="ann"), answer="${a}")
DONE = plan(answer="done")


async def turn(stream: RunStream) -> RunResult:
    async with asyncio.timeout(SECONDS):
        async with stream as run:
            async for _ in run:
                pass
        return run.result


def said(request: ChatRequest) -> str:
    return "\n".join(message.content for message in request.messages)


async def test_a_turn_is_a_run() -> None:
    async with runtime([SUM]) as opened:
        session = ChatSession(opened)
        result = await turn(session.stream("add them"))
        check_record(result)
        assert (result.status, result.answer) == ("succeeded", "it is 5")
        assert session.messages == (Message("user", "add them"), Message("assistant", "it is 5"))
        assert session.last_plan == result.plan
        assert session.usage == result.usage != Usage()


async def test_the_planner_is_told_the_conversation() -> None:
    model = ScriptedModel([SUM, DONE])
    async with runtime([], model=model) as opened:
        session = ChatSession(opened)
        await turn(session.stream("add three numbers"))
        await turn(session.stream("and now?"))
    assert "add three numbers" not in said(model.requests[1]).partition("and now?")[2]
    first, second = said(model.requests[0]), said(model.requests[1])
    assert "it is 5" not in first
    for text in ("add three numbers", "it is 5", "and now?"):
        assert text in second


async def test_a_conversation_that_is_too_long_keeps_its_end() -> None:
    model = ScriptedModel([plan(answer=f"answer {n} " + "x" * 9_000) for n in range(5)])
    async with runtime([], model=model) as opened:
        session = ChatSession(opened)
        for number in range(5):
            await turn(session.stream(f"task {number}"))
        told = said(model.requests[-1])
        assert "answer 3" in told
        assert "answer 0" not in told


async def test_an_answer_that_is_too_long_by_itself_is_cut() -> None:
    model = ScriptedModel([plan(answer="it begins " + "x" * 90_000), DONE])
    async with runtime([], model=model) as opened:
        session = ChatSession(opened)
        await turn(session.stream("talk"))
        await turn(session.stream("go on"))
    assert "it begins" in said(model.requests[1])
    assert len(said(model.requests[1])) < len(said(model.requests[0])) + 30_000


async def test_sessions_of_one_thread_share_a_conversation() -> None:
    kept = InMemorySaver()
    model = ScriptedModel([SUM, DONE, DONE])
    async with runtime([], model=model) as opened:
        first = ChatSession(opened, checkpointer=kept, thread_id="t")
        await turn(first.stream("add them"))
        second = ChatSession(opened, checkpointer=kept, thread_id="t")
        assert await second.load() == first.messages
        await turn(second.stream("go on"))
        assert len(second.messages) == 4
        assert "it is 5" in said(model.requests[1])
        other = ChatSession(opened, checkpointer=kept, thread_id="u")
        await turn(other.stream("something else"))
        assert len(other.messages) == 2
        assert "it is 5" not in said(model.requests[2])


async def test_reset_forgets() -> None:
    kept = InMemorySaver()
    model = ScriptedModel([SUM, DONE])
    async with runtime([], model=model) as opened:
        session = ChatSession(opened, checkpointer=kept)
        await turn(session.stream("add them"))
        await session.reset()
        assert (session.messages, session.last_plan, session.usage) == ((), None, Usage())
        assert await session.load() == ()
        await turn(session.stream("go on"))
        assert "it is 5" not in said(model.requests[1])
        assert len(session.messages) == 2


@pytest.mark.parametrize("approved", [True, False])
async def test_a_turn_waits_for_a_decision(approved: bool) -> None:
    denied = {"action": "fail", "reason": "not allowed"}
    async with runtime([MAIL] if approved else [MAIL, denied]) as opened:
        session = ChatSession(opened)
        waiting = await turn(session.stream("write to ann"))
        assert waiting.status == "waiting"
        assert isinstance(waiting.events[-1], RunWaiting)
        assert [(call.tool, call.arguments) for call in session.pending_calls()] == [
            ("mail", {"to": "ann"})
        ]
        stream = session.decide(approved)
        seen: list[Event] = []
        async with asyncio.timeout(SECONDS), stream as run:
            async for event in run:
                seen.append(event)
        assert seen[0].seq == waiting.events[-1].seq + 1
        assert isinstance(seen[-1], RunFinished)
        assert run.result.status == ("succeeded" if approved else "failed")
        assert run.result.answer == ("sent to ann" if approved else None)
        assert session.pending_calls() == ()
        assert len(session.messages) == 2
        assert session.usage == run.result.usage
        with pytest.raises(RunError, match="nothing_waits"):
            session.decide(True)


async def test_the_next_turn_gives_up_the_one_that_waits() -> None:
    async with runtime([MAIL, SUM]) as opened:
        session = ChatSession(opened)
        waiting = await turn(session.stream("write to ann"))
        assert waiting.status == "waiting"
        result = await turn(session.stream("never mind, add them"))
        assert result.answer == "it is 5"
        assert session.pending_calls() == ()
        assert session.usage.calls == 2


async def test_reset_gives_up_the_turn_that_waits() -> None:
    async with runtime([MAIL, SUM]) as opened:
        session = ChatSession(opened)
        await turn(session.stream("write to ann"))
        await session.reset()
        assert session.pending_calls() == ()
        assert (await turn(session.stream("add them"))).answer == "it is 5"
        assert len(session.messages) == 2


async def test_a_failing_turn_does_not_end_the_conversation() -> None:
    unreachable = ModelError("model_unreachable", "it is not there")
    async with runtime([unreachable, SUM]) as opened:
        session = ChatSession(opened)
        failed = await turn(session.stream("add them"))
        assert failed.error is not None
        assert (failed.status, failed.error.code) == ("failed", "model_unreachable")
        assert "model_unreachable" in session.messages[1].content
        assert (await turn(session.stream("again"))).status == "succeeded"
        assert len(session.messages) == 4


async def test_cancelling_a_turn_does_not_end_the_conversation() -> None:
    forever = Forever()
    both = plan(step("a", "add", a=1, b=1), step("b", "forever"), answer="${b}")
    tools = [*TOOLS, forever.tool]
    async with runtime([both, DONE], tools=tools) as opened, asyncio.timeout(SECONDS):
        session = ChatSession(opened)
        async with session.stream("wait") as run:
            async for event in run:
                if isinstance(event, StepFinished) or forever.started.is_set():
                    run.cancel()
        assert run.result.status == "cancelled"
        assert session.messages[1].content.startswith("(cancelled")
        assert (await turn(session.stream("go on"))).answer == "done"


async def test_leaving_the_block_cancels_the_turn() -> None:
    forever = Forever()
    async with (
        runtime([plan(step("b", "forever")), DONE], tools=[forever.tool]) as opened,
        asyncio.timeout(SECONDS),
    ):
        session = ChatSession(opened)
        async with session.stream("wait") as run:
            await forever.started.wait()
        assert run.result.status == "cancelled"
        assert (await turn(session.stream("go on"))).answer == "done"


async def test_one_turn_at_a_time() -> None:
    forever = Forever()
    waits = plan(step("b", "forever"))
    async with (
        runtime([waits, DONE], tools=[forever.tool]) as opened,
        asyncio.timeout(SECONDS),
    ):
        session = ChatSession(opened)
        async with session.stream("wait") as run:
            await forever.started.wait()
            with pytest.raises(RunError, match="turn_running"):
                await turn(session.stream("me too"))
            with pytest.raises(RunError, match="turn_running"):
                await session.reset()
            with pytest.raises(RunError, match="turn_running"):
                await session.plan("me too")
            run.cancel()
        assert run.result.status == "cancelled"
        assert (await turn(session.stream("now me"))).answer == "done"


async def test_planning_leaves_no_trace_in_the_conversation() -> None:
    model = ScriptedModel([SUM, MAIL, DONE])
    async with runtime([], model=model) as opened:
        session = ChatSession(opened)
        await turn(session.stream("add them"))
        before = session.usage
        planned = await session.plan("write to ann")
        assert planned["a"].tool == "mail"
        assert "it is 5" in said(model.requests[1])
        assert session.last_plan == planned
        assert session.usage.calls == before.calls + 1
        assert len(session.messages) == 2
        await turn(session.stream("go on"))
        assert "write to ann" not in said(model.requests[2])


class BrokenSaver(InMemorySaver):
    """A checkpointer whose disk fails whenever `broken` says so."""

    broken = ""

    async def aget_tuple(self, config: Any) -> Any:
        if self.broken == "reading":
            raise OSError("the disk is gone")
        return await super().aget_tuple(config)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        if self.broken == "writing":
            raise OSError("the disk is full")
        return await super().aput(config, checkpoint, metadata, new_versions)


@pytest.mark.parametrize("broken", ["reading", "writing"])
async def test_a_checkpointer_that_fails_blocks_nothing(broken: str) -> None:
    kept = BrokenSaver()
    async with runtime(lambda request: SUM) as opened:
        session = ChatSession(opened, checkpointer=kept)
        kept.broken = broken
        with pytest.raises(OSError, match="disk"):
            await turn(session.stream("add them"))
        kept.broken = ""
        assert (await turn(session.stream("add them"))).answer == "it is 5"


async def test_many_turns_keep_their_order() -> None:
    async with runtime([plan(answer=f"answer {number}") for number in range(20)]) as opened:
        session = ChatSession(opened)
        for number in range(20):
            await turn(session.stream(f"task {number}"))
        assert [message.content for message in session.messages] == [
            text for number in range(20) for text in (f"task {number}", f"answer {number}")
        ]
