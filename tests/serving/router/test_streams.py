"""Streams through a real router: a thousand at once, slow clients, clients that leave."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx
import pytest
from tests.serving.router.engines import StreamEngine
from tests.serving.router.running import running

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "go"}]}


def raw_request(port: int, body: object = REQUEST) -> bytes:
    content = json.dumps(body).encode()
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        f"connection: close\r\ncontent-length: {len(content)}\r\n\r\n"
    ).encode() + content


async def one_stream(port: int, number: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    prompt = [{"role": "user", "content": f"stream {number}"}]
    writer.write(raw_request(port, {**REQUEST, "messages": prompt}))
    reply = await reader.read()
    writer.close()
    return reply


@pytest.mark.timeout(120)
async def test_a_thousand_streams_at_once() -> None:
    count = 1000
    with (
        StreamEngine(events=3, together=count // 2) as first,
        StreamEngine(events=3, together=count // 2) as second,
        running(
            first.url,
            second.url,
            engine={"max_in_flight": count // 2, "kv_tokens": 10_000_000},
            limits={"client_seconds": 60},  # a busy machine is no client that does not read
        ) as router,
    ):
        replies = await asyncio.gather(*(one_stream(router.port, each) for each in range(count)))
    assert all(reply.startswith(b"HTTP/1.1 200") for reply in replies)
    assert all(reply.count(b'"content"') == 3 for reply in replies)
    assert all(b"[DONE]" in reply for reply in replies)
    assert (first.most_open, second.most_open) == (500, 500)
    assert router.router.gate.in_flight == 0


async def test_no_more_in_flight_than_allowed_and_the_rest_wait_their_turn() -> None:
    with (
        StreamEngine() as engine,
        running(engine.url, engine={"max_in_flight": 3}) as router,
    ):
        replies = await asyncio.gather(*(one_stream(router.port, each) for each in range(20)))
    assert all(b"[DONE]" in reply for reply in replies)
    assert engine.most_open <= 3
    assert engine.requests == 20


def test_a_client_that_leaves_stops_the_engine() -> None:
    with StreamEngine(together=2) as engine, running(engine.url) as router:
        client = socket.create_connection(("127.0.0.1", router.port))
        client.sendall(raw_request(router.port))
        assert b'"content"' in receive_until(client, b'"content"')
        client.close()
        assert engine.wait_for(lambda: engine.gone == 1)
    assert router.router.gate.in_flight == 0


def test_a_client_that_leaves_the_queue_is_never_sent() -> None:
    with (
        StreamEngine(together=2) as engine,
        running(engine.url, engine={"max_in_flight": 1}) as router,
    ):
        first = socket.create_connection(("127.0.0.1", router.port))
        first.sendall(raw_request(router.port))
        receive_until(first, b'"content"')
        waiting = socket.create_connection(("127.0.0.1", router.port))
        waiting.sendall(raw_request(router.port))
        wait_for_metric(router.url, 'waiting{engine="a"} 1.0')
        waiting.close()
        wait_for_metric(router.url, 'waiting{engine="a"} 0.0')
        first.close()
        assert engine.wait_for(lambda: engine.gone == 1)
        assert engine.requests == 1


def test_a_slow_client_holds_the_engine_back_and_is_given_up() -> None:
    with (
        StreamEngine(events=2000, padding=64 * 1024) as engine,
        running(engine.url, limits={"client_seconds": 0.5}) as router,
    ):
        client = socket.create_connection(("127.0.0.1", router.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(raw_request(router.port))
        # Nothing is read: 128 MB do not pile up in the router, and the engine is let go.
        assert engine.wait_for(lambda: engine.gone == 1)
        assert engine.written < 32 * 1024 * 1024
        wait_for_metric(router.url, "clients_gone_total 1.0")
        client.close()


def receive_until(client: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received


def wait_for_metric(url: str, line: str) -> None:
    for _ in range(2000):
        if line in httpx.get(url + "/metrics").text:
            return
    raise AssertionError(f"{line} never came")
