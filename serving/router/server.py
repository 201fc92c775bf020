"""The router in a server: it listens, and drains when it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from treadle.core.errors import ConfigError
from treadle.serving.router.app import Router

_BACKLOG = 2048


def serve(
    app: Starlette, host: str, port: int, *, listening: Callable[[str], None] = lambda _: None
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then drain; a second signal stops at once.

    port: 0 for any that is free. listening: is told the address once connections are accepted.

    Raises ConfigError (`cannot_listen`).
    """
    limits = app.state.router.config.limits
    listener = _listener(host, port, limits.client_seconds)
    bound = listener.getsockname()
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    server = _RouterServer(
        uvicorn.Config(
            app,
            backlog=_BACKLOG,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
            # Longer than clients keep theirs, so that none is closed while a request comes in.
            timeout_keep_alive=75,
        ),
        app.state.router,
        lambda: listening(f"http://{shown}:{bound[1]}"),
    )
    server.run(sockets=[listener])


class _RouterServer(uvicorn.Server):
    """Goes on listening while it drains, so that new requests get a clear refusal."""

    def __init__(
        self, config: uvicorn.Config, router: Router, listening: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._router = router
        self._listening = listening
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        if self.started:
            self._listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None or self._router.proxy.draining:
            self.should_exit = True
            return
        # Said here and not in the loop, so that a second signal is seen as one.
        self._router.proxy.draining = True
        self._loop.call_soon_threadsafe(self._router.drain)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._router.drained


def _listener(host: str, port: int, client_seconds: float) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that was given up because it takes nothing must not keep its connection,
            # and what waits in it to be sent, for as long as it likes. Connections inherit this.
            milliseconds = int(client_seconds * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        listener.bind((host, port))
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            "cannot_listen", f"cannot listen on {host} port {port}: {error}"
        ) from error
    return listener
