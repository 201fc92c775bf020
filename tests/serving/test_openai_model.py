"""The real client against a real server: replies, requests and retries."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.core.chat import (
    ChatReply,
    ChatRequest,
    FunctionSpec,
    Message,
    ResponseSchema,
    ToolCall,
    Usage,
)
from treadle.core.errors import ModelError
from treadle.core.model_call import call_model, collect
from treadle.core.program import ProgramHint
from treadle.serving import OpenAIModel
from treadle.testing import Fault, RecordedRequest, ScriptedOpenAIServer, ToolCalls

QUESTION = (Message("system", "Be brief."), Message("user", "What is new?"))
SCHEMA = ResponseSchema("my answer", {"type": "object", "properties": {"n": {"type": "integer"}}})


def model_at(server: ScriptedOpenAIServer, **options: Any) -> OpenAIModel:
    return OpenAIModel("test:m", **{"model": "m", "base_url": server.base_url, **options})


async def ask(server: ScriptedOpenAIServer, request: ChatRequest, **options: Any) -> ChatReply:
    model = model_at(server, **options)
    try:
        return await collect(model.stream(request))
    finally:
        await model.aclose()


@pytest.mark.parametrize("chunking", [None, 1, 7, (1, 2, 3), 10**9])
async def test_a_reply_arrives_whole_however_it_is_cut(chunking: Any) -> None:
    text = "Grüße, 世界 🎉\n\ndata: not an event\r\n"
    async with ScriptedOpenAIServer([text], chunking=chunking) as server:
        reply = await ask(server, ChatRequest(QUESTION))
    assert reply.text == text
    assert reply.finish_reason == "stop"
    assert reply.usage.completion_tokens == -(-len(text) // 4)
    assert reply.usage.prompt_tokens > 0


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    arguments=st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    chunk=st.integers(1, 9),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5),
)
def test_any_chunking_gives_the_same_reply(
    text: str, arguments: dict[str, int], chunk: int, sizes: list[int]
) -> None:
    calls = [ToolCall("a", "look", json.dumps(arguments)), ToolCall("b", "see", "{}")]

    async def scenario() -> ChatReply:
        replies = [ToolCalls(calls, text)]
        async with ScriptedOpenAIServer(replies, chunk=chunk, chunking=sizes) as server:
            return await ask(server, ChatRequest(QUESTION))

    reply = asyncio.run(scenario())
    assert reply.text == text
    assert reply.tool_calls == tuple(calls)
    assert reply.finish_reason == "tool_calls"


async def test_the_request_says_what_was_asked() -> None:
    request = ChatRequest(
        (
            *QUESTION,
            Message("assistant", "", tool_calls=(ToolCall("c1", "fs.read", "{}"),)),
            Message("tool", "content", tool_call_id="c1"),
        ),
        tools=(FunctionSpec("fs.read", "Reads.", {"type": "object"}),),
        response_schema=SCHEMA,
        max_tokens=50,
        temperature=0.5,
    )
    async with ScriptedOpenAIServer(["ok"], api_key="sk-test-key") as server:
        await ask(server, request, api_key="sk-test-key", default_headers={"X-Team": "weavers"})
        seen = server.requests[0]
    assert seen.headers["x-team"] == "weavers"
    assert seen.body["model"] == "m"
    assert seen.body["max_tokens"] == 50
    assert seen.body["temperature"] == 0.5
    assert seen.body["stream_options"] == {"include_usage": True}
    assert seen.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "my_answer", "schema": SCHEMA.schema, "strict": False},
    }
    messages: Any = seen.body["messages"]
    assert messages[0] == {"role": "system", "content": "Be brief."}
    # Servers take no dots in the names of functions.
    assert messages[2]["tool_calls"][0]["function"]["name"] == "fs_read"
    assert messages[3] == {"role": "tool", "content": "content", "tool_call_id": "c1"}


async def test_tools_with_names_that_clash_on_the_wire_come_back_under_their_own() -> None:
    tools = tuple(FunctionSpec(name, "", {}) for name in ("fs.read", "fs_read", "fs-read"))

    def call_all(request: RecordedRequest) -> list[ToolCall]:
        offered: Any = request.body["tools"]
        return [
            ToolCall(f"c{index}", each["function"]["name"], "{}")
            for index, each in enumerate(offered)
        ]

    async with ScriptedOpenAIServer(call_all) as server:
        reply = await ask(server, ChatRequest(QUESTION, tools=tools))
        offered: Any = server.requests[0].body["tools"]
    assert len({each["function"]["name"] for each in offered}) == 3
    assert [call.name for call in reply.tool_calls] == ["fs.read", "fs_read", "fs-read"]


@pytest.mark.parametrize("backend", ["openai", "vllm", "ollama", "sglang", "dynamo", "compatible"])
async def test_hints_go_where_they_are_known(backend: str) -> None:
    hint = ProgramHint("run_1", "step", step_id="a", next_tool_seconds=1.5, last_call=True)
    async with ScriptedOpenAIServer(["ok"]) as server:
        await ask(server, ChatRequest(QUESTION, hint=hint), backend=backend)
        body, headers = server.requests[0].body, server.requests[0].headers
    session = headers.get("x-session-id")
    assert session == ("run_1" if backend in ("vllm", "sglang", "compatible") else None)
    assert ("x-dynamo-session-id" in headers) == (backend == "dynamo")
    if backend == "vllm":
        assert body["session_id"] == "run_1"
        assert body["vllm_xargs"] == {
            "treadle_program_id": "run_1",
            "treadle_purpose": "step",
            "treadle_step_id": "a",
            "treadle_next_tool_seconds": 1.5,
            "treadle_last_call": 1,
        }
    else:
        assert "treadle" not in json.dumps(body)


async def test_usage_is_estimated_where_the_server_reports_none() -> None:
    def refuse_stream_options(request: RecordedRequest) -> str | Fault:
        if "stream_options" in request.body:
            return Fault.status(400, {"detail": "Extra inputs are not permitted: stream_options"})
        return "twelve chars"

    async with ScriptedOpenAIServer(refuse_stream_options) as server:
        model = model_at(server)
        replies = [await collect(model.stream(ChatRequest(QUESTION))) for _ in range(2)]
        await model.aclose()
        # The refusal is remembered: three requests for two calls.
        assert len(server.requests) == 3
    prompt = -(-len("Be brief.What is new?") // 4)
    assert [reply.usage for reply in replies] == [Usage(prompt, 3, 0, 1)] * 2
    assert model.refused_fields == {"stream_options"}


async def test_response_format_is_given_up_once_and_audibly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(request: RecordedRequest) -> str | Fault:
        if "response_format" in request.body:
            message = "This response_format type is unavailable now"
            return Fault.status(400, {"error": {"message": message}})
        return '{"n": 1}'

    async with ScriptedOpenAIServer(refuse) as server:
        model = model_at(server)
        assert model.structured_output
        with caplog.at_level(logging.WARNING, "treadle.serving"):
            for _ in range(2):
                reply = await collect(model.stream(ChatRequest(QUESTION, response_schema=SCHEMA)))
                assert reply.text == '{"n": 1}'
        await model.aclose()
        assert len(server.requests) == 3
        messages: Any = server.requests[-1].body["messages"]
    assert not model.structured_output
    assert [record.getMessage() for record in caplog.records] == [
        "test:m does not take 'response_format': "
        "from now on the schema goes into the prompt instead"
    ]
    assert messages[-1]["role"] == "user"
    assert messages[-1]["content"].startswith("What is new?\n\nReply with one JSON object only")
    assert '"n":{"type":"integer"}' in messages[-1]["content"]


async def test_a_limit_beyond_the_servers_context_is_left_out_for_that_call() -> None:
    def refuse_large(request: RecordedRequest) -> str | Fault:
        limit = request.body.get("max_tokens", 0)
        if isinstance(limit, int) and limit > 1000:
            message = "This model's maximum context length is 1000 tokens. However, you asked more"
            return Fault.status(400, {"error": {"message": message}})
        return "ok"

    async with ScriptedOpenAIServer(refuse_large) as server:
        model = model_at(server)
        await collect(model.stream(ChatRequest(QUESTION, max_tokens=100_000)))
        await collect(model.stream(ChatRequest(QUESTION, max_tokens=100)))
        await model.aclose()
        limits = [request.body.get("max_tokens") for request in server.requests]
    assert limits == [100_000, None, 100]


async def test_a_renamed_limit_is_learned() -> None:
    def only_new(request: RecordedRequest) -> str | Fault:
        if "max_tokens" in request.body:
            error = {"message": "Unsupported parameter", "param": "max_tokens"}
            return Fault.status(400, {"error": error})
        return "ok"

    async with ScriptedOpenAIServer(only_new) as server:
        await ask(server, ChatRequest(QUESTION, max_tokens=5))
        assert server.requests[-1].body["max_completion_tokens"] == 5


async def test_a_model_without_a_name_asks_the_server_once() -> None:
    async with ScriptedOpenAIServer(["a", "b"], models=("served", "other")) as server:
        model = model_at(server, model=None)
        for _ in range(2):
            await collect(model.stream(ChatRequest(QUESTION)))
        await model.aclose()
        assert [request.body["model"] for request in server.requests] == ["served"] * 2
        assert len(server.model_requests) == 1


async def test_a_server_without_models_is_an_error() -> None:
    async with ScriptedOpenAIServer(models=()) as server:
        with pytest.raises(ModelError, match="model_not_found"):
            await ask(server, ChatRequest(QUESTION), model=None)


async def test_calls_run_concurrently_over_one_model() -> None:
    def echo(request: RecordedRequest) -> str:
        messages: Any = request.body["messages"]
        return str(messages[-1]["content"])

    async with ScriptedOpenAIServer(echo) as server:
        model = model_at(server)
        questions = [f"question {number}" for number in range(20)]
        replies = await asyncio.gather(
            *(collect(model.stream(ChatRequest((Message("user", each),)))) for each in questions)
        )
        await model.aclose()
    assert [reply.text for reply in replies] == questions


def test_one_model_serves_one_event_loop_after_the_other() -> None:
    with ScriptedOpenAIServer(lambda _: "ok") as server:
        model = model_at(server)

        async def once() -> str:
            try:
                return (await collect(model.stream(ChatRequest(QUESTION)))).text
            finally:
                await model.aclose()

        assert [asyncio.run(once()) for _ in range(3)] == ["ok"] * 3


async def test_closing_the_iterator_closes_the_connection() -> None:
    async with ScriptedOpenAIServer([Fault.endless()]) as server:
        model = model_at(server)
        stream: Any = model.stream(ChatRequest(QUESTION))
        await anext(stream)
        await stream.aclose()
        # The server notices with its next write that nobody listens any more.
        assert await asyncio.to_thread(server.wait_until_idle, 10)
        await model.aclose()


async def test_cancelling_a_silent_call_closes_the_connection() -> None:
    async with ScriptedOpenAIServer([Fault.stall("Hm")]) as server:
        model = model_at(server)
        arrived = asyncio.Event()

        async def listen() -> None:
            async for _ in model.stream(ChatRequest(QUESTION)):
                arrived.set()

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            task = group.create_task(listen())
            await arrived.wait()
            task.cancel()
        assert task.cancelled()
        await model.aclose()


async def test_thinking_is_a_sign_of_life_and_no_text() -> None:
    events = (
        'data: {"choices":[{"index":0,"delta":{"reasoning_content":"Well..."}}]}\n\n'
        'data: {"choices":[{"index":0,"delta":{"content":"42"},"finish_reason":"stop"}]}\n\n'
        "data: [DONE]\n\n"
    )
    async with ScriptedOpenAIServer([Fault.raw(events)]) as server:
        model = model_at(server)
        deltas = [delta async for delta in model.stream(ChatRequest(QUESTION))]
        await model.aclose()
    assert [getattr(delta, "text", None) for delta in deltas] == ["", "42", None]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # Index 0 for every call, as older Ollama servers send it.
        (
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"index": 0, "id": "b", "function": {"name": "g", "arguments": "[]"}},
            ],
            [("a", "f", "{}"), ("b", "g", "[]")],
        ),
        # No index at all.
        (
            [
                {"id": "a", "function": {"name": "f", "arguments": "{"}},
                {"function": {"arguments": "}"}},
                {"id": "b", "function": {"name": "f", "arguments": "{}"}},
            ],
            [("a", "f", "{}"), ("b", "f", "{}")],
        ),
        # The name and the id again with every part.
        (
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}},
            ],
            [("a", "f", "{}")],
        ),
        # No id; indices that begin at 1.
        (
            [
                {"index": 1, "function": {"name": "f", "arguments": "{"}},
                {"index": 1, "function": {"arguments": "}"}},
                {"index": 2, "function": {"name": "g", "arguments": "{}"}},
            ],
            [("call_0", "f", "{}"), ("call_1", "g", "{}")],
        ),
    ],
)
async def test_tool_calls_in_the_dialects_of_servers(
    calls: list[dict[str, object]], expected: list[tuple[str, str, str]]
) -> None:
    chunks: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    async with ScriptedOpenAIServer([Fault.raw(body)]) as server:
        reply = await ask(server, ChatRequest(QUESTION))
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == expected
    assert reply.finish_reason == "tool_calls"


async def test_a_whole_reply_needs_neither_usage_nor_an_end() -> None:
    chunk = 'data: {"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\n'
    async with ScriptedOpenAIServer([Fault.raw(chunk)]) as server:
        reply = await ask(server, ChatRequest(QUESTION))
    assert reply.text == "ok"


async def test_signs_of_life_and_foreign_fields_do_not_matter() -> None:
    events = (
        ": waiting for a slot\n\nevent: ping\ndata: {}\n\n".replace(
            "data: {}", 'data: {"choices":[]}'
        )
        + 'data: {"choices":[{"index":1,"delta":{"content":"another choice"}},'
        + '{"index":0,"delta":{"content":"ok","audio":7},"logprobs":[],"new":{}}]}\r\n\r\n'
        + 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}],"usage":"none"}\n\n'
    )
    async with ScriptedOpenAIServer([Fault.raw(events)], chunking=3) as server:
        reply = await ask(server, ChatRequest(QUESTION))
    assert (reply.text, reply.finish_reason) == ("ok", "length")


async def test_a_field_is_given_up_only_when_it_is_complained_about() -> None:
    def refuse(request: RecordedRequest) -> str | Fault:
        if "vllm_xargs" in request.body:
            location = ["body", "vllm_xargs"]
            detail = {"loc": location, "msg": "Extra inputs", "input": dict(request.body)}
            return Fault.status(422, {"detail": [detail]})
        return "ok"

    async with ScriptedOpenAIServer(refuse) as server:
        model = model_at(server, backend="vllm")
        hint = ProgramHint("run_1", "plan")
        await collect(model.stream(ChatRequest(QUESTION, temperature=0, hint=hint)))
        await model.aclose()
    assert model.refused_fields == {"vllm_xargs"}


async def test_a_whole_reply_does_not_wait_for_a_server_that_forgets_to_end() -> None:
    chunk = 'data: {"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\n'
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        writer.write((head + chunk).encode())
        while await reader.read(65536):
            pass
        gone.set()
        writer.close()

    async with asyncio.timeout(15), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        model = OpenAIModel("test:m", model="m", base_url=f"http://127.0.0.1:{port}/v1")
        reply = await collect(model.stream(ChatRequest(QUESTION)))
        # The connection is closed by then, not when the model is.
        await gone.wait()
        await model.aclose()
    assert reply.text == "ok"


async def test_nothing_of_an_openai_account_reaches_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-account")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-account")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-the-account")
    async with ScriptedOpenAIServer(["ok"]) as server:
        await ask(server, ChatRequest(QUESTION), backend="vllm")
        headers = json.dumps(dict(server.requests[0].headers))
    assert "of-the-account" not in headers


async def test_the_call_is_made_through_the_core_as_well() -> None:
    async with ScriptedOpenAIServer(["Hello."]) as server:
        model = model_at(server)
        reply = await call_model(model, ChatRequest(QUESTION), purpose="step")
        await model.aclose()
    assert reply.text == "Hello."
