"""Sockets of the host that nothing in a sandbox may reach."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: list[tuple[str, bytes]], channel: str) -> None:
        self._heard = heard
        self._channel = channel
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.DatagramTransport):
            self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard.append((self._channel, data[:4096]))
        if self._transport is not None and addr:
            self._transport.sendto(b"heard", addr)


class Listeners:
    """TCP, UDP and unix sockets, by path and abstract, and what was heard on them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / "host.sock"
        self.abstract = f"{name}.abstract"
        self.tcp_port = 0
        self.udp_port = 0
        self.heard: list[tuple[str, bytes]] = []
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.BaseTransport] = []

    async def open(self) -> None:
        """Listen, on ports that are free."""
        self.tcp_port = await self._tcp("127.0.0.1", "tcp")
        server = await asyncio.start_unix_server(self._serve("unix socket"), self.path)
        self.path.chmod(0o666)
        self._servers.append(server)
        if sys.platform == "linux":
            abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            abstract.bind("\0" + self.abstract)
            serve = self._serve("abstract socket")
            self._servers.append(await asyncio.start_unix_server(serve, sock=abstract))
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self.heard, "udp"), local_addr=("127.0.0.1", 0)
        )
        self.udp_port = transport.get_extra_info("sockname")[1]
        self._datagrams.append(transport)

    async def close(self) -> None:
        """Stop listening."""
        for transport in self._datagrams:
            transport.close()
        for server in self._servers:
            server.close()
        for server in self._servers:
            async with asyncio.timeout(5):
                await server.wait_closed()

    def channels(self, nonce: str) -> list[str]:
        """Where the word of one trial arrived."""
        return sorted({channel for channel, data in self.heard if nonce.encode() in data})

    async def _tcp(self, address: str, channel: str) -> int:
        server = await asyncio.start_server(self._serve(channel), address, 0)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def _serve(
        self, channel: str
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    self.heard.append((channel, await reader.read(4096)))
            writer.close()

        return serve
