"""The router's own answers: keys, limits, rules, programs' ends, pages."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from tests.serving.router.engines import StreamEngine
from tests.serving.router.running import running
from tests.serving.router.test_streams import REQUEST, raw_request, receive_until, wait_for_metric

from treadle.core.chat import ToolCall
from treadle.testing import Fault, ScriptedOpenAIServer, ToolCalls

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}


def test_keys_of_clients_stay_here_and_keys_of_engines_stay_there() -> None:
    with (
        ScriptedOpenAIServer(lambda _: "hello", api_key="engine-key") as server,
        running(
            server.base_url,
            engine={"key_env": "ENGINE"},
            key_env="MAIN",
            environment={"ENGINE": "engine-key", "MAIN": "main-key"},
        ) as router,
    ):
        url = router.url + "/v1/chat/completions"
        refused = httpx.post(url, json=CHAT)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "bad_router_key"
        assert refused.headers["www-authenticate"] == "Bearer"
        assert (
            httpx.post(url, json=CHAT, headers={"authorization": "Bearer engine-key"}).status_code
            == 401
        )
        taken = httpx.post(url, json=CHAT, headers={"authorization": "Bearer main-key"})
        assert taken.status_code == 200
        assert "engine-key" not in taken.text + str(taken.headers)
        assert server.requests[0].headers["authorization"] == "Bearer engine-key"
        assert httpx.get(router.url + "/v1/models").status_code == 401
        assert httpx.get(router.url + "/health").status_code == 200


def test_a_rule_sends_an_easy_call_to_the_small_model() -> None:
    rule = {"name": "easy", "when": {"max_prompt_tokens": 50}, "engines": ["b"], "model": "mini"}
    with (
        ScriptedOpenAIServer(lambda _: "big") as big,
        ScriptedOpenAIServer(lambda _: "small", models=("mini",)) as small,
        running(big.base_url, small.base_url, rules=[rule]) as router,
    ):
        url = router.url + "/v1/chat/completions"
        easy = httpx.post(url, json=CHAT).json()
        long = {**CHAT, "messages": [{"role": "user", "content": "word " * 500}]}
        hard = httpx.post(url, json=long).json()
        assert easy["choices"][0]["message"]["content"] == "small"
        assert small.requests[0].body["model"] == "mini"
        assert hard["choices"][0]["message"]["content"] == "big"
        wait_for_metric(router.url, 'rule_hits_total{rule="easy"} 1.0')


def test_a_model_that_nobody_serves() -> None:
    with ScriptedOpenAIServer() as server, running(server.base_url) as router:
        reply = httpx.post(router.url + "/v1/chat/completions", json={**CHAT, "model": "other"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "no_such_model")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object(content: bytes) -> None:
    with ScriptedOpenAIServer() as server, running(server.base_url) as router:
        reply = httpx.post(router.url + "/v1/chat/completions", content=content)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_request_body")


def test_a_body_that_is_too_large() -> None:
    with (
        ScriptedOpenAIServer() as server,
        running(server.base_url, limits={"max_body_bytes": 1_000}) as router,
    ):
        url = router.url + "/v1/chat/completions"
        announced = httpx.post(url, content=b"x" * 2_000)
        chunked = httpx.post(url, content=iter([b"x" * 600] * 3))
    for reply in (announced, chunked):
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")


def test_paths_that_are_not_there() -> None:
    with ScriptedOpenAIServer() as server, running(server.base_url) as router:
        assert httpx.get(router.url + "/v1/files").json()["error"]["code"] == "no_such_path"
        assert httpx.get(router.url + "/v1/embeddings").json()["error"]["code"] == "bad_method"


def test_a_full_queue_says_when_to_come_back_and_a_long_wait_ends() -> None:
    with (
        StreamEngine(together=9) as engine,
        running(
            engine.url,
            engine={"max_in_flight": 1},
            limits={"max_waiting": 1, "wait_seconds": 3.0},
        ) as router,
    ):
        running_one = socket.create_connection(("127.0.0.1", router.port))
        running_one.sendall(raw_request(router.port))
        receive_until(running_one, b'"content"')
        waiting = socket.create_connection(("127.0.0.1", router.port))
        waiting.sendall(raw_request(router.port))
        wait_for_metric(router.url, 'waiting{engine="a"} 1.0')
        full = httpx.post(router.url + "/v1/chat/completions", json=REQUEST)
        assert (full.status_code, full.json()["error"]["code"]) == (429, "router_full")
        assert int(full.headers["retry-after"]) >= 1
        assert b"wait_timeout" in receive_until(waiting, b"}")
        waiting.close()
        running_one.close()
        assert engine.wait_for(lambda: engine.open == 0)


def test_what_a_reply_tells_is_known_to_the_gate() -> None:
    call = ToolCalls((ToolCall("1", "grep", "{}"),))
    with (
        ScriptedOpenAIServer([call, "done"]) as server,
        running(server.base_url) as router,
    ):
        url = router.url + "/v1/chat/completions"
        long = {**CHAT, "messages": [{"role": "user", "content": "word " * 500}], "session_id": "p"}
        for stream in (True, False):
            assert httpx.post(url, json={**long, "stream": stream}).status_code == 200
            wait_for_metric(router.url, 'running{engine="a"} 0.0')
            held = router.router.gate.pool("a").held
            # Held while the tool runs; not after a reply that calls none.
            assert (held > 0) == stream


def test_a_long_reply_that_is_no_stream_passes_through_whole() -> None:
    document = {"data": ["x" * 1_000] * 3_000}
    with (
        ScriptedOpenAIServer(lambda _: Fault.status(400, body=document)) as server,
        running(server.base_url) as router,
    ):
        reply = httpx.post(router.url + "/v1/chat/completions", json=CHAT)
    assert reply.json() == document


class _Compressed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": 5}
        body = gzip.compress(json.dumps({"choices": [], "usage": usage}).encode())
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close, x-hop")
        self.send_header("x-hop", "1")
        self.send_header("x-request-id", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_compressed_reply_passes_as_it_is_and_is_read_on_the_way() -> None:
    with serving(_Compressed) as url, running(url) as router:
        reply = httpx.post(router.url + "/v1/chat/completions", json=CHAT)
        wait_for_metric(router.url, 'tokens_total{engine="a",kind="prompt"} 7.0')
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["x-request-id"] == "7"
    assert "x-hop" not in reply.headers
    assert reply.json()["usage"]["completion_tokens"] == 5


class _Plugin(BaseHTTPRequestHandler):
    ended: list[str]

    def do_GET(self) -> None:
        text = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="500"} 1.0\n'
        self._say(text.encode() if self.path == "/metrics" else b"{}")

    def do_POST(self) -> None:
        self.ended.append(self.path)
        self._say(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


def test_the_end_of_a_program_reaches_the_plugin_and_the_pool_comes_from_the_engine() -> None:
    ended: list[str] = []
    with (
        serving(type("Handler", (_Plugin,), {"ended": ended})) as url,
        ScriptedOpenAIServer() as stock,
        running(
            engines=[
                {"name": "a", "url": url, "backend": "vllm", "plugin": True},
                {"name": "b", "url": stock.base_url},
            ]
        ) as router,
    ):
        reply = httpx.post(router.url + "/treadle/programs/run_1/end")
        assert router.router.gate.pool("a").capacity == 8_000
    assert reply.json() == {"program": "run_1", "known": False, "engines": {"a": 200}}
    assert ended == ["/treadle/programs/run_1/end"]


def test_programs_of_two_tenants_are_two() -> None:
    tenants = [{"name": name, "key_env": name} for name in ("red", "blue")]
    with (
        ScriptedOpenAIServer(lambda _: "hello") as server,
        running(
            server.base_url, tenants=tenants, environment={"red": "r-key", "blue": "b-key"}
        ) as router,
    ):
        for key in ("r-key", "b-key"):
            headers = {"authorization": f"Bearer {key}"}
            body = json.dumps({**CHAT, "session_id": "same"})
            httpx.post(router.url + "/v1/chat/completions", content=body, headers=headers)
        assert router.router.gate.programs == 2
