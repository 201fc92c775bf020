"""Engines that die: before the first byte, in the middle, and the router itself going down."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import openai
import pytest
from tests.serving.router.engines import StreamEngine
from tests.serving.router.running import RunningRouter, running
from tests.serving.router.test_streams import REQUEST, wait_for_metric

from treadle.testing import Fault, ScriptedOpenAIServer


@pytest.fixture
def client_of() -> Iterator[list[openai.OpenAI]]:
    clients: list[openai.OpenAI] = []
    yield clients
    for client in clients:
        client.close()


def openai_client(router: RunningRouter, opened: list[openai.OpenAI]) -> openai.OpenAI:
    client = openai.OpenAI(base_url=router.url + "/v1", api_key="none", max_retries=0)
    opened.append(client)
    return client


def say(client: openai.OpenAI, text: str = "hello", **more: object) -> str:
    reply = client.chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": text}], extra_body=more
    )
    return reply.choices[0].message.content or ""


def test_the_openai_client_through_the_router(client_of: list[openai.OpenAI]) -> None:
    with (
        ScriptedOpenAIServer(lambda _: "Good morning.") as server,
        running(server.base_url) as router,
    ):
        client = openai_client(router, client_of)
        assert say(client) == "Good morning."
        stream = client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        texts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(texts) == "Good morning."
        assert [model.id for model in client.models.list()] == ["scripted"]


def test_bytes_of_a_stream_are_those_of_the_engine() -> None:
    with ScriptedOpenAIServer(lambda _: "Grüße, 世界", chunking=3, models=["m"]) as server:
        direct = httpx.post(server.base_url + "/chat/completions", json=REQUEST).content
        with running(server.base_url) as router:
            routed = httpx.post(router.url + "/v1/chat/completions", json=REQUEST)
    assert routed.content == direct
    assert routed.headers["content-type"] == "text/event-stream"


def test_an_engine_that_is_not_there_is_passed_over(client_of: list[openai.OpenAI]) -> None:
    with (
        ScriptedOpenAIServer(lambda _: "from b") as server,
        running("http://127.0.0.1:9/v1", server.base_url) as router,
    ):
        assert say(openai_client(router, client_of)) == "from b"
        health = httpx.get(router.url + "/health").json()
    assert health == {"status": "ok", "engines": {"a": False, "b": True}}


def test_a_call_is_tried_elsewhere_when_its_engine_dies_before_the_first_byte(
    client_of: list[openai.OpenAI],
) -> None:
    with (
        ScriptedOpenAIServer(lambda _: "from a") as first,
        ScriptedOpenAIServer(lambda _: "from b") as second,
        running(first.base_url, second.base_url) as router,
    ):
        client = openai_client(router, client_of)
        assert say(client, session_id="one") == "from a"
        first.stop()
        assert say(client, session_id="one") == "from b"
        # Known from the failure, without waiting for the next health check.
        assert not router.router.gate.is_up("a")
        wait_for_metric(router.url, 'retries_total{engine="a"} 1.0')


@pytest.mark.parametrize("fault", [Fault.status(503), Fault.status(429), Fault.empty()])
def test_an_engine_that_refuses_is_passed_over(
    fault: Fault, client_of: list[openai.OpenAI]
) -> None:
    with (
        ScriptedOpenAIServer(lambda _: fault) as first,
        ScriptedOpenAIServer(lambda _: "from b") as second,
        running(first.base_url, second.base_url) as router,
    ):
        stream = openai_client(router, client_of).chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        texts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(texts) == "from b"


def test_errors_of_the_last_engine_are_passed_on_with_their_body(
    client_of: list[openai.OpenAI],
) -> None:
    body = {"error": {"message": "slow down", "code": "rate_limit"}}
    with (
        ScriptedOpenAIServer(lambda _: Fault.status(429, body=body)) as server,
        running(server.base_url) as router,
        pytest.raises(openai.RateLimitError, match="slow down"),
    ):
        say(openai_client(router, client_of))
    with (
        ScriptedOpenAIServer(lambda _: Fault.status(400, body=body)) as server,
        running(server.base_url) as router,
        pytest.raises(openai.BadRequestError, match="slow down"),
    ):
        say(openai_client(router, client_of))


@pytest.mark.parametrize("fault", [Fault.cut("The first half"), Fault.truncated("The first half")])
def test_a_stream_that_breaks_off_ends_with_an_error_and_is_not_tried_again(
    fault: Fault, client_of: list[openai.OpenAI]
) -> None:
    with (
        ScriptedOpenAIServer(lambda _: fault) as first,
        ScriptedOpenAIServer(lambda _: "from b") as second,
        running(first.base_url, second.base_url) as router,
    ):
        received: list[str] = []
        stream = openai_client(router, client_of).chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        texts = (chunk.choices[0].delta.content or "" for chunk in stream)
        with pytest.raises(openai.APIError) as caught:
            received.extend(texts)
    assert "".join(received) == "The first half"
    assert caught.value.code == "engine_stream_cut"
    assert not second.requests


def test_an_engine_that_falls_silent_ends_the_stream_with_an_error() -> None:
    with (
        ScriptedOpenAIServer(lambda _: Fault.stall("so far")) as server,
        running(server.base_url, limits={"idle_seconds": 0.3}) as router,
    ):
        reply = httpx.post(
            router.url + "/v1/chat/completions", json=REQUEST | {"model": "scripted"}
        )
    assert "engine_timeout" in reply.text.rstrip().rpartition("\n\n")[2]


def test_an_engine_that_takes_a_call_and_says_nothing_is_not_asked_twice() -> None:
    with (
        ScriptedOpenAIServer(lambda _: Fault.silence()) as first,
        ScriptedOpenAIServer(lambda _: Fault.silence()) as second,
        running(first.base_url, second.base_url, limits={"first_byte_seconds": 1.0}) as router,
    ):
        reply = httpx.post(
            router.url + "/v1/chat/completions", json=REQUEST | {"model": "scripted"}
        )
        assert len(first.requests) + len(second.requests) == 1
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "engine_timeout"


def test_no_engine_at_all_is_said_at_once() -> None:
    with running("http://127.0.0.1:9/v1") as router:
        reply = httpx.post(router.url + "/v1/chat/completions", json=REQUEST)
        assert httpx.get(router.url + "/health").status_code == 503
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "no_engine"
    assert int(reply.headers["retry-after"]) >= 1


def test_an_engine_that_comes_back_is_used_again(client_of: list[openai.OpenAI]) -> None:
    with StreamEngine() as engine:
        port = int(engine.url.removesuffix("/v1").rpartition(":")[2])
    # Stopped, and its port is free again.
    with running(f"http://127.0.0.1:{port}/v1", limits={"health_seconds": 0.05}) as router:
        assert httpx.post(router.url + "/v1/chat/completions", json=REQUEST).status_code == 503
        with StreamEngine(port=port):
            wait_for_metric(router.url, 'engine_up{engine="a"} 1.0')
            reply = httpx.post(router.url + "/v1/chat/completions", json=REQUEST)
    assert "[DONE]" in reply.text


def test_draining_finishes_what_runs_and_refuses_what_comes() -> None:
    with StreamEngine(together=2) as engine, running(engine.url) as router:
        replies: list[httpx.Response] = []

        def ask() -> None:
            replies.append(
                httpx.post(router.url + "/v1/chat/completions", json=REQUEST, timeout=10)
            )

        thread = threading.Thread(target=ask)
        thread.start()
        assert engine.wait_for(lambda: engine.open == 1)
        router.drain()
        refused = httpx.post(router.url + "/v1/chat/completions", json=REQUEST)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "router_draining"
        assert not router.router.drained
        engine.let_go()
        thread.join(10)
        assert "[DONE]" in replies[0].text


def test_draining_ends_with_an_error_what_is_not_done_in_time() -> None:
    with (
        StreamEngine(together=2) as engine,
        running(engine.url, limits={"drain_seconds": 0.2}) as router,
    ):
        replies: list[httpx.Response] = []

        def ask() -> None:
            replies.append(
                httpx.post(router.url + "/v1/chat/completions", json=REQUEST, timeout=10)
            )

        thread = threading.Thread(target=ask)
        thread.start()
        assert engine.wait_for(lambda: engine.open == 1)
        router.drain()
        thread.join(10)
        assert "router_draining" in replies[0].text
        assert engine.wait_for(lambda: engine.gone == 1)
