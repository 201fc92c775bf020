"""Everything that can go wrong ends in a bounded time, with its code and without the key."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from treadle.core.chat import ChatRequest, Message
from treadle.core.errors import ConfigError, ModelError
from treadle.core.model_call import ModelDeadlines, call_model
from treadle.serving import OpenAIModel
from treadle.serving.connection import LARGEST_DOCUMENT, LARGEST_EVENT
from treadle.testing import Fault, RecordedRequest, ScriptedOpenAIServer

KEY = "sk-very-secret-key-0123456789"
REQUEST = ChatRequest((Message("user", "Hello?"),))


def error(message: str, code: str = "") -> dict[str, object]:
    return {"error": {"message": message, "code": code}}


async def failure(
    answer: Any, deadlines: ModelDeadlines | None = None, **options: Any
) -> tuple[ModelError, int]:
    """The error of a call that is always answered with `answer`, and how many requests came."""
    script: Callable[[RecordedRequest], Any] = answer if callable(answer) else lambda _: answer
    async with asyncio.timeout(15), ScriptedOpenAIServer(script) as server:
        model = OpenAIModel("test:m", model="m", base_url=server.base_url, api_key=KEY, **options)
        try:
            await model.prepare()
            with pytest.raises(ModelError) as caught:
                await call_model(
                    model, REQUEST, purpose="step", deadlines=deadlines or ModelDeadlines()
                )
        finally:
            await model.aclose()
        return caught.value, len(server.requests)


CASES = [
    # Retried: a server's own failure, a limit, a reply that never began.
    (Fault.status(500), "model_server_error", 3),
    (Fault.status(503, "<html>down</html>"), "model_server_error", 3),
    (Fault.status(429), "model_rate_limited", 3),
    (Fault.status(429, headers={"Retry-After": "2"}), "model_rate_limited", 3),
    (Fault.error_in_stream(), "model_server_error", 3),
    (Fault.cut(""), "model_stream_cut", 3),
    (Fault.truncated(""), "model_malformed_reply", 1),
    # Not retried: it would come out the same.
    (Fault.status(429, headers={"Retry-After": "3600"}), "model_rate_limited", 1),
    (Fault.status(429, error("You have no credit", "insufficient_quota")), "model_rate_limited", 1),
    (Fault.status(400), "model_bad_request", 1),
    (Fault.status(401), "model_bad_key", 1),
    (Fault.status(403), "model_bad_key", 1),
    (Fault.status(404), "model_not_found", 1),
    (Fault.status(408), "model_timeout", 1),
    (Fault.status(409), "model_bad_request", 1),
    (Fault.status(413), "model_context_overflow", 1),
    (Fault.status(307, headers={"Location": "http://127.0.0.1:9/v1"}), "model_bad_request", 1),
    (Fault.status(400, error("Too long", "context_length_exceeded")), "model_context_overflow", 1),
    (
        Fault.status(400, error("This model's maximum context length is 4096 tokens.")),
        "model_context_overflow",
        1,
    ),
    (
        Fault.status(400, error("The input (9 tokens) is longer than the model's context length")),
        "model_context_overflow",
        1,
    ),
    (
        Fault.status(422, error("the input exceeds the context window")),
        "model_context_overflow",
        1,
    ),
    (
        Fault.status(500, error("the request exceeds the available context size")),
        "model_context_overflow",
        1,
    ),
    (Fault.status(400, error("Filtered", "content_filter")), "model_content_filtered", 1),
    # Not retried: the reply had begun.
    (Fault.cut("Well, "), "model_stream_cut", 1),
    (Fault.truncated("Well, "), "model_stream_cut", 1),
    (Fault.error_in_stream(text="Well, "), "model_server_error", 1),
    # Not retried: whoever sends this sends it again.
    (Fault.empty(), "model_malformed_reply", 1),
    (Fault.wrong_content_type(), "model_malformed_reply", 1),
    (Fault.wrong_content_type('{"id": 1}', "application/json"), "model_malformed_reply", 1),
    (Fault.malformed(), "model_malformed_reply", 1),
    (Fault.malformed(text="Well, "), "model_malformed_reply", 1),
    (Fault.malformed("null"), "model_malformed_reply", 1),
    (Fault.malformed("[]"), "model_malformed_reply", 1),
    (Fault.malformed('"text"'), "model_malformed_reply", 1),
    (Fault.malformed('{"choices": []}'), "model_malformed_reply", 1),
    (Fault.malformed('{"choices": 7}'), "model_malformed_reply", 1),
    (Fault.malformed('{"choices": [7]}'), "model_malformed_reply", 1),
    (Fault.malformed('{"choices": [{"delta": {"content": 7}}]}'), "model_malformed_reply", 1),
    (Fault.malformed('{"choices": [{"delta": {"tool_calls": 7}}]}'), "model_malformed_reply", 1),
    (
        Fault.malformed('{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}'),
        "model_malformed_reply",
        1,
    ),
    (Fault.malformed("[" * 100_000), "model_malformed_reply", 1),
    (Fault.raw(b"data: \xff\xfe\n\n"), "model_malformed_reply", 1),
    (Fault.raw(b"", "text/event-stream"), "model_malformed_reply", 1),
    (
        Fault.malformed('{"choices": [{"delta": {}, "finish_reason": "content_filter"}]}'),
        "model_content_filtered",
        1,
    ),
    (
        Fault.malformed('{"choices": [{"delta": {"refusal": "No."}, "finish_reason": "stop"}]}'),
        "model_content_filtered",
        1,
    ),
    (
        Fault.malformed('{"choices": [{"delta": {"content": "a"}, "finish_reason": "abort"}]}'),
        "model_stream_cut",
        3,
    ),
]


@pytest.mark.parametrize(("fault", "code", "requests"), CASES)
async def test_each_fault_has_its_code_and_number_of_attempts(
    fault: Fault, code: str, requests: int
) -> None:
    caught, seen = await failure(fault)
    assert (caught.code, seen) == (code, requests)
    assert len(caught.message) < 800
    assert "\n" not in caught.message


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.silence(), "model_timeout"),
        (Fault.stall("Well, "), "model_timeout"),
        (Fault.endless(), "model_timeout"),
    ],
)
async def test_what_never_ends_is_ended(fault: Fault, code: str) -> None:
    caught, seen = await failure(fault, ModelDeadlines(idle=0.3, total=0.6))
    assert caught.code == code
    assert seen <= 1


async def test_an_endless_reply_is_ended_by_its_length() -> None:
    caught, _ = await failure(Fault.endless("x" * 100), ModelDeadlines(characters=1000))
    assert caught.code == "model_runaway"


async def test_an_event_without_an_end_does_not_fill_the_memory() -> None:
    caught, _ = await failure(Fault.raw(b"data: " + b"x" * (LARGEST_EVENT + 1)))
    assert caught.code == "model_malformed_reply"


async def test_an_error_page_without_an_end_does_not_fill_the_memory() -> None:
    caught, _ = await failure(Fault.status(400, "x" * (LARGEST_DOCUMENT + 1)))
    assert caught.code == "model_malformed_reply"


async def test_a_compressed_reply_is_refused() -> None:
    fault = Fault("raw", body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    caught, _ = await failure(fault)
    assert caught.code == "model_malformed_reply"


async def test_an_unreachable_server_is_named() -> None:
    with socket.socket() as taken:
        # Bound and not listening: whoever connects is refused.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        model = OpenAIModel("test:m", model="m", base_url=url, api_key=KEY)
        with pytest.raises(ModelError) as caught:
            await call_model(model, REQUEST, purpose="step")
        await model.aclose()
    assert caught.value.code == "model_unreachable"
    assert url in caught.value.message
    assert caught.value.retryable


async def test_text_that_cannot_be_sent_is_refused() -> None:
    async with ScriptedOpenAIServer() as server:
        model = OpenAIModel("test:m", model="m", base_url=server.base_url)
        with pytest.raises(ModelError, match="model_bad_request"):
            await call_model(model, ChatRequest((Message("user", "\ud800"),)), purpose="step")
        await model.aclose()


async def test_a_failure_that_passes_is_not_noticed() -> None:
    async with ScriptedOpenAIServer([Fault.status(503), Fault.cut(""), "Here you are."]) as server:
        model = OpenAIModel("test:m", model="m", base_url=server.base_url)
        reply = await call_model(model, REQUEST, purpose="step")
        await model.aclose()
        assert len(server.requests) == 3
    assert reply.text == "Here you are."


def echo_headers(code: int) -> Callable[[RecordedRequest], Fault]:
    def answer(request: RecordedRequest) -> Fault:
        message = f"got {dict(request.headers)}"
        if code == 200:
            return Fault.error_in_stream(message)
        return Fault.status(code, error(message))

    return answer


@pytest.mark.parametrize("code", [200, 400, 401, 403, 404, 422, 429, 500])
async def test_the_key_never_shows_however_the_server_echoes_it(code: int) -> None:
    caught, _ = await failure(echo_headers(code), default_headers={"X-Other-Key": "another-secret"})
    shown = "".join(traceback.format_exception(caught)) + repr(caught) + caught.message
    assert "***" in caught.message
    assert KEY not in shown
    assert "another-secret" not in shown


async def test_a_key_from_a_file_loses_its_newline() -> None:
    async with ScriptedOpenAIServer(["ok"], api_key=KEY) as server:
        model = OpenAIModel("test:m", model="m", base_url=server.base_url, api_key=f"{KEY}\n")
        await call_model(model, REQUEST, purpose="step")
        await model.aclose()


@pytest.mark.parametrize("options", [{"api_key": f"{KEY}\n\x00x"}, {"default_headers": {"X": "ü"}}])
def test_what_cannot_be_sent_is_refused_without_being_shown(options: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIModel("test:m", model="m", **options)
    assert caught.value.code == "bad_api_key"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[::1", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="bad_model"):
        OpenAIModel("test:m", model="m", base_url=url)


async def test_a_servers_text_cannot_flood_or_steer_the_terminal() -> None:
    caught, _ = await failure(Fault.status(400, error("\x1b[2J\n" + "long " * 10_000)))
    assert caught.message.isprintable()
    assert len(caught.message) < 800
