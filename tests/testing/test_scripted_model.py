"""The scripted model keeps to its script."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.chat import (
    ChatModel,
    ChatReply,
    ChatRequest,
    Message,
    TextDelta,
    ToolCall,
)
from treadle.core.errors import ModelError
from treadle.core.model_call import collect
from treadle.core.program import ProgramHint
from treadle.testing import FakeClock, ScriptedModel, ToolCalls

CALL = ToolCall("c1", "look", '{"where": "here"}')


def request(text: str = "Hello?", purpose: str | None = None) -> ChatRequest:
    hint = None if purpose is None else ProgramHint("run_1", purpose)
    return ChatRequest((Message("user", text),), hint=hint)


async def ask(model: ScriptedModel, text: str = "Hello?", purpose: str | None = None) -> ChatReply:
    return await collect(model.stream(request(text, purpose)))


def test_it_is_a_chat_model() -> None:
    assert isinstance(ScriptedModel(), ChatModel)


async def test_replies_come_in_order_and_in_every_form() -> None:
    model = ScriptedModel(
        [
            "text",
            {"a": [1, "ü"]},
            [CALL],
            ToolCalls([CALL], "I look."),
            lambda asked: asked.messages[0].content.upper(),
            ModelError("model_bad_key", "no"),
        ]
    )
    replies = [await ask(model) for _ in range(5)]
    assert [reply.text for reply in replies] == ["text", '{"a":[1,"ü"]}', "", "I look.", "HELLO?"]
    assert [reply.tool_calls for reply in replies] == [(), (), (CALL,), (CALL,), ()]
    assert [reply.finish_reason for reply in replies] == [
        "stop",
        "stop",
        "tool_calls",
        "tool_calls",
        "stop",
    ]
    with pytest.raises(ModelError, match="model_bad_key"):
        await ask(model)
    with pytest.raises(ModelError, match="script_exhausted"):
        await ask(model)
    assert len(model.requests) == 7


async def test_a_script_per_purpose() -> None:
    model = ScriptedModel(
        ["other"],
        by_purpose={"plan": ["p1", "p2"], "step": lambda asked: asked.messages[0].content},
    )
    assert [(await ask(model, purpose="plan")).text for _ in range(2)] == ["p1", "p2"]
    assert (await ask(model, "echo", purpose="step")).text == "echo"
    assert (await ask(model)).text == "other"
    with pytest.raises(ModelError, match="script_exhausted"):
        await ask(model, purpose="plan")


async def test_concurrent_calls_take_each_reply_once() -> None:
    model = ScriptedModel([f"reply {number}" for number in range(50)])
    replies = await asyncio.gather(*(ask(model) for _ in range(50)))
    assert sorted(reply.text for reply in replies) == sorted(f"reply {n}" for n in range(50))


async def test_the_pace_is_the_clocks() -> None:
    clock = FakeClock()
    model = ScriptedModel(["abcdefgh"], chunk=2, tokens_per_second=10, clock=clock)
    seen: list[str] = []

    async def listen() -> None:
        async for delta in model.stream(request()):
            seen.append(delta.text if isinstance(delta, TextDelta) else "end")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(listen())
        for expected in (0, 1, 2, 3):
            await clock.wait_for_sleepers()
            assert len(seen) == expected
            clock.advance(0.1)
        await task
    assert seen == ["ab", "cd", "ef", "gh", "end"]


@given(text=st.text(), chunk=st.integers(1, 10))
def test_chunks_make_up_the_text(text: str, chunk: int) -> None:
    async def scenario() -> tuple[list[str], ChatReply]:
        model = ScriptedModel(lambda _: text, chunk=chunk)
        deltas = [delta async for delta in model.stream(request())]
        texts = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
        return texts, await ask(model)

    texts, reply = asyncio.run(scenario())
    assert "".join(texts) == reply.text == text
    assert all(len(each) <= chunk for each in texts)


@pytest.mark.parametrize("options", [{"chunk": 0}, {"tokens_per_second": 0.0}])
def test_a_pace_that_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        ScriptedModel(**options)  # type: ignore[arg-type]
