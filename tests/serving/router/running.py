"""A router of its own for a test, in a thread, on a real port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from treadle.serving.router.app import Router, make_app
from treadle.serving.router.config import checked_config


@dataclass
class RunningRouter:
    url: str
    router: Router
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def drain(self) -> None:
        self.loop.call_soon_threadsafe(self.router.drain)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self.ready = ready
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def running(
    *urls: str,
    environment: Mapping[str, str] | None = None,
    limits: Mapping[str, object] | None = None,
    engine: Mapping[str, object] | None = None,
    **document: object,
) -> Iterator[RunningRouter]:
    """A router in front of `urls`, named a, b, c...; or of what `engines` says."""
    engines = [
        {"name": name, "url": url, **(engine or {})}
        for name, url in zip("abcdef", urls, strict=False)
    ]
    # Health checks only when a test means them: they would be seen in what engines record.
    config = checked_config(
        {
            "engines": engines,
            "limits": {"health_seconds": 30, "client_seconds": 5, **(limits or {})},
            **document,
        },
        "test",
    )
    app = make_app(config, environment=environment or {})
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    ready = threading.Event()
    server = _Server(
        uvicorn.Config(
            app,
            backlog=2048,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        ),
        ready,
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert ready.wait(30)
    assert server.loop is not None
    try:
        yield RunningRouter(
            f"http://127.0.0.1:{listener.getsockname()[1]}", app.state.router, server.loop
        )
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
