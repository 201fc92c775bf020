"""The connection to a client: its request is read, its reply written, each within bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping

import anyio
from starlette.types import Message, Receive, Scope, Send

from treadle.core.json_value import compact_json
from treadle.serving.router.errors import RouterError, openai_error


class ClientGone(Exception):
    """The client closed the connection, or takes nothing more."""


class ClientConnection:
    """One request of a client (ASGI)."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        """seconds: that the client may take to send or accept a piece."""
        self.path: str = scope["path"]
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        self.started = False
        self.ended = False
        self._receive = receive
        self._send = send
        self._seconds = seconds

    async def body(self, largest: int) -> bytes:
        """The whole body of the request.

        Raises RouterError (`request_too_large`, 413; `request_timeout`, 408) and ClientGone.
        """
        announced = self.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > largest:
            raise _too_large(largest)
        content = bytearray()
        while True:
            message = await self._next_message()
            if message["type"] == "http.disconnect":
                raise ClientGone
            content += message.get("body", b"")
            if len(content) > largest:
                raise _too_large(largest)
            if not message.get("more_body", False):
                return bytes(content)

    async def disconnected(self) -> None:
        """Return when the client has gone; for when the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        self.started = True
        raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
        await self._write({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, body: bytes, *, last: bool = False) -> None:
        """Send a piece of the body. Raises ClientGone."""
        await self._write({"type": "http.response.body", "body": body, "more_body": not last})
        self.ended = self.ended or last

    async def refuse(self, error: RouterError) -> None:
        """Answer with `error`."""
        headers = {"content-type": "application/json"}
        if error.retry_after is not None:
            headers["retry-after"] = str(max(1, round(error.retry_after)))
        if error.status == 401:
            headers["www-authenticate"] = "Bearer"
        if error.status in (408, 413):
            # The rest of the body is not read.
            headers["connection"] = "close"
        content = compact_json(error.as_openai()).encode("utf-8", "replace")
        headers["content-length"] = str(len(content))
        await self.start(error.status, headers)
        await self.write(content, last=True)

    async def end_with_error(self, code: str, message: str) -> None:
        """End a stream of events with one that says what went wrong."""
        document = openai_error(code, message, 502)
        await self.write(b"\n\ndata: " + json.dumps(document).encode() + b"\n\n", last=True)

    async def _next_message(self) -> Message:
        try:
            with anyio.fail_after(self._seconds):
                return await self._receive()
        except TimeoutError:
            raise RouterError(
                "request_timeout",
                f"nothing of the request came within {self._seconds:g} s",
                status=408,
            ) from None

    async def _write(self, message: Message) -> None:
        try:
            with anyio.fail_after(self._seconds):
                await self._send(message)
        except (TimeoutError, OSError) as error:
            raise ClientGone from error


def parsed_object(content: bytes) -> dict[str, object]:
    """A request's body. Raises RouterError (`bad_request_body`, 400)."""
    try:
        document = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it nests too deep" if isinstance(error, RecursionError) else str(error)
        raise RouterError(
            "bad_request_body", f"the body is no JSON: {reason:.200}", status=400
        ) from error
    if not isinstance(document, dict):
        raise RouterError("bad_request_body", "the body is no JSON object", status=400)
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _too_large(largest: int) -> RouterError:
    return RouterError(
        "request_too_large", f"the request has more than {largest:,} bytes", status=413
    )
