"""The server over streamable HTTP: who may ask, and from where."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from treadle.core.errors import ConfigError

PATH = "/mcp"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_Asgi = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HttpAccess:
    """Who may talk to the server.

    token: what the Authorization header must carry; None asks for none, on loopback only.
    origins: web pages that may ask, beside those of loopback, like `https://app.example.com`.
    hosts: names under which the server may be addressed, with their port, beside its own.

    Raises ConfigError (`mcp_token_needed`).
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.token is None and self.host not in _LOOPBACK:
            raise ConfigError(
                "mcp_token_needed",
                f"everybody who reaches {self.host} could run your agents; --token-env NAME asks "
                f"for a token",
            )
        if self.token is not None and len(self.token) < 16:
            raise ConfigError("mcp_token_needed", "a token has at least 16 characters")


def http_app(server: Any, access: HttpAccess) -> _Asgi:
    """The ASGI app, at /mcp. server: of `make_server`.

    A request whose Host or Origin is not expected is refused: a web page must not reach a server
    on its reader's machine through a name that it lets resolve to it.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    local = ("127.0.0.1", "localhost", "[::1]")
    shown = f"[{access.host}]" if ":" in access.host else access.host
    names = [f"{name}:*" for name in (*local, shown)]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*names, *access.hosts],
        allowed_origins=[*(f"http://{name}:*" for name in local), *access.origins],
    )
    app: _Asgi = server.streamable_http_app(
        streamable_http_path=PATH, transport_security=security, host=access.host
    )
    return app if access.token is None else _guarded(app, access.token)


async def serve_http(server: Any, access: HttpAccess, listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C.

    listening: is told the URL once connections are accepted.

    Raises ConfigError (`cannot_listen`).
    """
    import uvicorn

    listener = _listener(access)
    bound = listener.getsockname()
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]

    class Listening(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                listening(f"http://{shown}:{bound[1]}{PATH}")

    settings = uvicorn.Config(
        http_app(server, access),
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    try:
        await Listening(settings).serve(sockets=[listener])
    except asyncio.CancelledError:
        return
    finally:
        listener.close()


def _guarded(app: _Asgi, token: str) -> _Asgi:
    expected = f"Bearer {token}".encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            # In constant time: how long a refusal takes must not tell how much was right.
            if not hmac.compare_digest(given, expected):
                await _refuse(send)
                return
        await app(scope, receive, send)

    return guarded


async def _refuse(send: Any) -> None:
    headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _listener(access: HttpAccess) -> socket.socket:
    family = socket.AF_INET6 if ":" in access.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((access.host, access.port))
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            "cannot_listen", f"cannot listen on {access.host} port {access.port}: {error}"
        ) from error
    return listener
