"""A connection to a server over the pipes of its process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from treadle.tools.mcp.lines import open_reader, open_writer, read_messages, write_messages
from treadle.tools.mcp.scan.characters import spelled
from treadle.tools.sandbox.boundary import BoundaryProcess

if TYPE_CHECKING:
    from mcp.client import Transport

_BLOCK = 64 * 1024
_STDERR_KEPT = 2_000
_GRACE = 2.0
"""Seconds for a server to go once its stdin is closed."""


def _taken(process: BoundaryProcess, descriptor: int) -> int:
    """A descriptor that is ours alone: closed twice, it could be somebody else's by then."""
    own = os.dup(descriptor)
    process.release(descriptor)
    return own


class Pipes:
    """A connection over pipes.

    most_bytes: of one message. closed: told when the server has closed its end, has said too much
    (`too_long`), or is gone.
    """

    def __init__(
        self, process: BoundaryProcess, most_bytes: int, closed: Callable[[], None]
    ) -> None:
        self._process = process
        self._most_bytes = most_bytes
        self._stderr = b""
        self._closed = closed
        self.too_long = False

    @property
    def stderr(self) -> str:
        """The last that the server wrote to stderr, safe to print."""
        text = self._stderr.decode("utf-8", "replace")
        return " ".join(spelled(text).split())[-_STDERR_KEPT:]

    def transport(self) -> Transport:
        """The transport for a client of the MCP SDK."""
        made: AbstractAsyncContextManager[Any] = self._streams()
        return made

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[tuple[Any, Any]]:
        import anyio

        incoming, received = anyio.create_memory_object_stream[Any](0)
        sent, outgoing = anyio.create_memory_object_stream[Any](0)
        process = self._process
        reader, reading = await open_reader(_taken(process, process.stdout))
        errors, reading_errors = await open_reader(_taken(process, process.stderr))
        writer = await open_writer(_taken(process, process.stdin))

        async def read() -> None:
            try:
                self.too_long = not await read_messages(reader, incoming, self._most_bytes)
            finally:
                self._closed()
                incoming.close()

        async def write() -> None:
            try:
                await write_messages(writer, outgoing)
            except OSError:
                self._closed()
                incoming.close()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in (read(), write(), self._listen(errors))]
            try:
                yield received, sent
            finally:
                sent.close()
                received.close()
                writer.close()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE):
                        await self._process.wait()
                for task in tasks:
                    task.cancel()
                incoming.close()
                outgoing.close()
                reading.close()
                reading_errors.close()
                await self._process.kill()

    async def _listen(self, errors: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while block := await errors.read(_BLOCK):
                self._stderr = (self._stderr + block)[-4 * _STDERR_KEPT :]
