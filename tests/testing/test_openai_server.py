"""The scripted server, seen by a plain HTTP client."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from treadle.core.chat import ToolCall
from treadle.testing import Fault, ScriptedOpenAIServer

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}


def post(
    server: ScriptedOpenAIServer, body: object = BODY, path: str = "/chat/completions"
) -> tuple[int, str, str]:
    parts = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        text = body if isinstance(body, str) else json.dumps(body)
        connection.request("POST", parts.path + path, text, {"Authorization": "Bearer k"})
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read().decode()
    finally:
        connection.close()


def test_a_reply_that_is_not_streamed() -> None:
    with ScriptedOpenAIServer(["Hi.", [ToolCall("c", "f", "{}")]]) as server:
        _, _, text = post(server)
        _, _, tools = post(server)
        assert server.requests[0].body == BODY
        assert server.requests[0].headers["authorization"] == "Bearer k"
    message = json.loads(text)["choices"][0]
    assert (message["message"]["content"], message["finish_reason"]) == ("Hi.", "stop")
    call = json.loads(tools)["choices"][0]["message"]["tool_calls"][0]
    assert call == {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_a_streamed_reply_ends_with_done_and_usage_only_when_asked_for() -> None:
    with ScriptedOpenAIServer(lambda _: "Hi.") as server:
        _, kind, plain = post(server, {**BODY, "stream": True})
        options = {"include_usage": True}
        _, _, counted = post(server, {**BODY, "stream": True, "stream_options": options})
    assert kind == "text/event-stream"
    assert plain.endswith("data: [DONE]\n\n")
    assert "usage" not in plain
    assert "usage" in counted


@pytest.mark.parametrize("body", ["", "nonsense", "[]", "[" * 10_000])
def test_a_request_that_is_no_object_is_refused(body: str) -> None:
    with ScriptedOpenAIServer(["Hi."]) as server:
        status, _, _ = post(server, body)
        assert status == 400
        assert not server.requests


def test_other_paths_do_not_exist() -> None:
    with ScriptedOpenAIServer(["Hi."]) as server:
        assert post(server, path="/rerank")[0] == 404


def test_a_script_that_has_ended_says_so() -> None:
    with ScriptedOpenAIServer() as server:
        status, _, text = post(server)
    assert status == 500
    assert json.loads(text)["error"]["code"] == "script_exhausted"


def test_a_status_comes_with_its_headers() -> None:
    with ScriptedOpenAIServer([Fault.status(418, "short and stout", {"X-Pot": "tea"})]) as server:
        status, _, text = post(server)
    assert (status, text) == (418, "short and stout")


def test_without_running_it_has_no_address() -> None:
    server = ScriptedOpenAIServer()
    with pytest.raises(RuntimeError, match="context manager"):
        _ = server.base_url


def test_stopping_does_not_wait_for_clients_that_hang() -> None:
    ended = threading.Event()

    def hang(server: ScriptedOpenAIServer) -> None:
        try:
            post(server, {**BODY, "stream": True})
        except (http.client.HTTPException, OSError):
            ended.set()

    server = ScriptedOpenAIServer([Fault.silence(), Fault.stall(), Fault.endless()])
    with server:
        parts = urlsplit(server.base_url)
        idle = socket.create_connection((parts.hostname or "", parts.port or 0))
        threads = [threading.Thread(target=hang, args=(server,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(server.requests) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert ended.is_set()
    idle.close()
    assert server.wait_until_idle()


def test_it_can_be_started_again() -> None:
    server = ScriptedOpenAIServer(["one", "two"])
    for expected in ("one", "two"):
        with server:
            assert expected in post(server)[2]
