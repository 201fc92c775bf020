"""OfflineModel speaks the ChatModel protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from treadle.core.chat import (
    ChatDelta,
    ChatModel,
    ChatRequest,
    Finished,
    FunctionSpec,
    Message,
    ResponseSchema,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from treadle.core.errors import ModelError
from treadle.serving.offline import OfflineModel


def _plan_schema(*tools: str) -> ResponseSchema:
    variants = [{"properties": {"tool": {"const": name}}} for name in tools]
    schema: Any = {"properties": {"steps": {"items": {"anyOf": variants}}}}
    return ResponseSchema("plan", schema)


async def _deltas(request: ChatRequest) -> list[ChatDelta]:
    return [delta async for delta in OfflineModel().stream(request)]


def _text(deltas: list[ChatDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def test_it_is_a_chat_model() -> None:
    model = OfflineModel()
    assert isinstance(model, ChatModel)
    assert model.name == "offline"
    assert model.structured_output


async def test_a_plan_is_streamed_in_small_pieces_with_usage_last() -> None:
    messages = (Message("system", "Plan."), Message("user", "what is 17 * 23"))
    deltas = await _deltas(ChatRequest(messages, response_schema=_plan_schema("calculate")))
    pieces = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 12
    plan = json.loads("".join(pieces))
    assert plan["steps"][0]["args"] == {"expression": "17 * 23"}
    assert list(plan)[-1] == "answer"
    last = deltas[-1]
    assert isinstance(last, Finished)
    assert last.reason == "stop"
    assert last.usage.calls == 1
    assert last.usage.completion_tokens > 10


async def test_only_tools_on_offer_are_used() -> None:
    request = ChatRequest(
        (Message("user", "what is 2+2"),), response_schema=_plan_schema("read_file")
    )
    plan = json.loads(_text(await _deltas(request)))
    assert plan["steps"] == []
    assert "calculate" in plan["answer"]


async def test_the_last_user_message_is_the_task_and_the_one_before_its_context() -> None:
    messages = (
        Message("user", "how many lines does a.txt have"),
        Message("assistant", "10"),
        Message("user", "and how many words?"),
    )
    schema = _plan_schema("file_statistics")
    plan = json.loads(_text(await _deltas(ChatRequest(messages, response_schema=schema))))
    assert plan["answer"] == "a.txt: ${stats_a_txt.words} words."


async def test_a_decision_is_to_fail() -> None:
    request = ChatRequest((Message("user", "x"),), response_schema=ResponseSchema("decision", {}))
    decision = json.loads(_text(await _deltas(request)))
    assert decision["action"] == "fail"
    assert "not a language model" in decision["reason"]


@pytest.mark.parametrize("name", ["repair", "answer", "reply", "anything"])
async def test_other_schemas_are_out_of_range(name: str) -> None:
    request = ChatRequest((Message("user", "x"),), response_schema=ResponseSchema(name, {}))
    with pytest.raises(ModelError, match="TREADLE_MODEL") as caught:
        await _deltas(request)
    assert caught.value.code == "offline_out_of_range"


_CALCULATE = FunctionSpec("calculate", "Calculate.", {})


async def test_an_agent_gets_tool_calls_then_an_answer() -> None:
    asked = Message("user", "what is 2+2 and what is in notes.txt")
    deltas = await _deltas(ChatRequest((asked,), tools=(_CALCULATE,)))
    parts = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert {part.index for part in parts} == {0}
    assert [part.name for part in parts if part.name] == ["calculate"]
    arguments = "".join(part.arguments for part in parts)
    assert json.loads(arguments) == {"expression": "2+2"} or "2 + 2" in arguments
    assert isinstance(deltas[-1], Finished)
    assert deltas[-1].reason == "tool_calls"

    called = Message("assistant", "", tool_calls=(ToolCall("c", "calculate", arguments),))
    result = Message("tool", "4", tool_call_id="c")
    deltas = await _deltas(ChatRequest((asked, called, result), tools=(_CALCULATE,)))
    assert "calculate" in _text(deltas)
    assert _text(deltas).endswith(": 4")


async def test_an_agent_that_can_do_nothing_says_so() -> None:
    deltas = await _deltas(ChatRequest((Message("user", "sing"),), tools=(_CALCULATE,)))
    assert "not a language model" in _text(deltas)


async def test_a_long_prompt_is_extracted_and_labelled() -> None:
    text = "Looms weave cloth from threads. " * 20 + "The treadle lifts the threads of a loom."
    answer = _text(await _deltas(ChatRequest((Message("user", f"Summarise: {text}"),))))
    assert answer.startswith("[offline stand-in, not a language model]")
    assert "threads" in answer


async def test_a_short_prompt_gets_the_plain_answer() -> None:
    answer = _text(await _deltas(ChatRequest((Message("user", "Who are ${you}?"),))))
    assert "not a language model" in answer
    assert "${you}" in answer
    assert "$${" not in answer
