"""Whatever bytes a server sends, a call ends with a reply or with a coded error."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.chat import ChatReply, ChatRequest, Finished, Message, ToolCall
from treadle.core.errors import ModelError
from treadle.core.model_call import collect
from treadle.serving import OpenAIModel
from treadle.testing import Fault, ScriptedOpenAIServer, ToolCalls
from treadle.testing.openai_wire import reply_events

REQUEST = ChatRequest((Message("user", "Hello?"),))
CODES = {
    "model_malformed_reply",
    "model_stream_cut",
    "model_server_error",
    "model_content_filtered",
    "model_bad_request",
    "model_context_overflow",
    "model_rate_limited",
    "model_bad_key",
    "model_not_found",
    "model_timeout",
}
WHOLE = b"".join(
    reply_events("m", ToolCalls([ToolCall("c", "f", '{"ü": 1}')], "Grüße 🎉"), {}, chunk=3)
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def answer_to(body: bytes, sizes: list[int]) -> ChatReply | ModelError:
    async def scenario() -> ChatReply | ModelError:
        async with (
            asyncio.timeout(15),
            ScriptedOpenAIServer(lambda _: Fault.raw(body), chunking=sizes) as server,
        ):
            model = OpenAIModel("test:m", model="m", base_url=server.base_url)
            try:
                return await collect(model.stream(REQUEST))
            except ModelError as error:
                return error
            finally:
                await model.aclose()

    return asyncio.run(scenario())


def check(answer: ChatReply | ModelError) -> None:
    if isinstance(answer, ModelError):
        assert answer.code in CODES
        assert answer.message.isprintable()
    else:
        assert isinstance(answer.text, str)
        assert all(call.id and isinstance(call.arguments, str) for call in answer.tool_calls)


@settings(max_examples=40, deadline=None)
@given(
    position=st.integers(0, len(WHOLE) - 1),
    length=st.integers(0, 40),
    instead=st.binary(max_size=20),
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=3),
)
def test_a_damaged_stream(position: int, length: int, instead: bytes, sizes: list[int]) -> None:
    check(answer_to(WHOLE[:position] + instead + WHOLE[position + length :], sizes))


@settings(max_examples=40, deadline=None)
@given(
    value=json_values,
    where=st.sampled_from(
        [
            "choices",
            "choice",
            "delta",
            "content",
            "tool_calls",
            "call",
            "function",
            "usage",
            "error",
        ]
    ),
)
def test_any_value_in_any_place(value: object, where: str) -> None:
    places: dict[str, Any] = {
        "choices": {"choices": value},
        "choice": {"choices": [value]},
        "delta": {"choices": [{"delta": value}]},
        "content": {"choices": [{"delta": {"content": value}}]},
        "tool_calls": {"choices": [{"delta": {"tool_calls": value}}]},
        "call": {"choices": [{"delta": {"tool_calls": [value]}}]},
        "function": {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": value}]}}]},
        "usage": {"choices": [], "usage": value},
        "error": {"error": value},
    }
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(places[where])}\n\ndata: {json.dumps(end)}\n\n"
    check(answer_to(body.encode(), [100_000]))


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, WHOLE.rindex(b"finish_reason")))
def test_a_stream_cut_anywhere_is_never_taken_for_whole(cut: int) -> None:
    answer = answer_to(WHOLE[:cut], [100_000])
    assert isinstance(answer, ModelError)
    assert answer.code in {"model_stream_cut", "model_malformed_reply"}


@pytest.mark.parametrize("reason", [7, [], {"a": 1}, True])
def test_a_finish_reason_that_is_no_text(reason: object) -> None:
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    answer = answer_to(f"data: {json.dumps(chunk)}\n\n".encode(), [100_000])
    assert isinstance(answer, ModelError)
    assert answer.code == "model_malformed_reply"


def test_the_finish_is_the_last_delta() -> None:
    async def scenario() -> list[object]:
        async with ScriptedOpenAIServer(["Hello."]) as server:
            model = OpenAIModel("test:m", model="m", base_url=server.base_url)
            deltas: list[object] = [delta async for delta in model.stream(REQUEST)]
            await model.aclose()
        return deltas

    deltas = asyncio.run(scenario())
    assert [isinstance(delta, Finished) for delta in deltas] == [False, False, True]
