"""An HTTP proxy on a unix socket that connects to granted hosts and to nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from treadle.core.errors import ToolError
from treadle.tools.builtin.host_policy import HostPolicy, Resolve, host_policy

HEADER_SECONDS = 10.0
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 300.0
MOST_CONNECTIONS = 64
_MOST_HEADER = 16 * 1024
_BLOCK = 64 * 1024
_USUAL_PORTS = (80, 443)
_HEADER_LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class HostProxy:
    """`async with HostProxy(socket, hosts): ...` serves CONNECT and plain HTTP for `hosts`.

    hosts: `name` (ports 80 and 443), `name:port`, `*.name`, or an address. A name must resolve to
    a public address, and it is that address which is connected to: a name that resolves to another
    one a moment later leads nowhere else. Private addresses only where they were granted literally.

    Raises ToolError (`bad_allowed_host`).
    """

    def __init__(
        self,
        path: Path,
        hosts: Sequence[str],
        *,
        resolve: Resolve | None = None,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._policy = host_policy(hosts, resolve)
        # Without a port a host stands for the web, and not for every service on it.
        self._with_port = HostPolicy(
            tuple(rule for rule in self._policy.allowed if _names_port(rule)), self._policy.resolve
        )
        self._refused = refused
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> HostProxy:
        self._server = await asyncio.start_unix_server(
            self._serve, str(self.path), limit=_MOST_HEADER
        )
        # Whoever runs in the sandbox has a uid of its own; the folder is what keeps others out.
        self.path.chmod(0o666)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=2.0)
        with suppress(FileNotFoundError):
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if len(self._open) > MOST_CONNECTIONS:
                await _answer(writer, 503, "too many connections")
            else:
                await self._one(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one side is gone, or the proxy is being closed: nobody is left to tell
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            host, port, first = _target(head)
        except (ValueError, asyncio.LimitOverrunError):
            await _answer(writer, 400, "no request that this proxy knows")
            return
        try:
            policy = self._policy if port in _USUAL_PORTS else self._with_port
            addresses = await policy.addresses_of(host, port)
        except ToolError as error:
            self._refused(f"{host}:{port}")
            await _answer(writer, 403, error.message)
            return
        try:
            outer_reader, outer_writer = await _connected(addresses, port)
        except (OSError, TimeoutError) as error:
            await _answer(writer, 502, f"{host}:{port}: {error}")
            return
        try:
            if first:
                outer_writer.write(first)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, outer_writer))
                group.create_task(_pass_on(outer_reader, writer))
        except* (OSError, TimeoutError):
            pass
        finally:
            outer_writer.close()


def _names_port(rule: str) -> bool:
    host, colon, port = rule.rpartition(":")
    return bool(colon) and port.isdigit() and (":" not in host or host.endswith("]"))


def _target(head: bytes) -> tuple[str, int, bytes]:
    """Host, port, and what to send there first; nothing for a tunnel. Raises ValueError."""
    lines = head.decode("latin-1").split("\r\n")
    if not all(_HEADER_LINE.fullmatch(each) for each in lines[1:] if each):
        # Servers differ in what they make of it, and so in whom it asks.
        raise ValueError("a header that is none")
    method, target, version = lines[0].split(" ")
    if not method.isalpha() or _CONTROL.search(lines[0]):
        raise ValueError("a request that is none")
    if method == "CONNECT":
        parts = urlsplit(f"//{target}")
        if not parts.hostname or parts.port is None or parts.path or parts.username:
            raise ValueError(target)
        return parts.hostname, parts.port, b""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname or parts.username:
        raise ValueError(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # The host that was checked is the one that is asked, and this connection asks once.
    dropped = ("host:", "connection:", "proxy-", "keep-alive:", "upgrade:")
    kept = [each for each in lines[1:] if each and not each.lower().startswith(dropped)]
    host = parts.netloc
    first = [f"{method} {path} {version}", f"Host: {host}", "Connection: close", *kept, "", ""]
    return parts.hostname, parts.port or 80, "\r\n".join(first).encode("latin-1")


async def _connected(
    addresses: Sequence[str], port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    failure: Exception = OSError("no address")
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as error:
            failure = error
    raise failure


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            block = await reader.read(_BLOCK)
        if not block:
            break
        writer.write(block)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


async def _answer(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    body = f"{text}\n".encode("utf-8", "replace")
    head = f"HTTP/1.1 {status} refused\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
