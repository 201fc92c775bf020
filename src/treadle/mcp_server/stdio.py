"""The server on stdin and stdout, which carry the protocol and nothing else."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from treadle.core.errors import ConfigError
from treadle.tools.mcp.lines import open_reader, open_writer, read_messages, write_messages

MOST_BYTES = 16 * 1024 * 1024
"""Of one message of the client."""


def own_streams() -> tuple[int, int]:
    """Stdin and stdout for the protocol alone, as two descriptors; to be closed by their user.

    For the rest of the process whatever else is printed goes to stderr, and whoever reads stdin
    finds nothing: the modules that are served, and the processes that they start. It stays so to
    the end, for what is still buffered then.

    Raises ConfigError (`bad_usage`) where one of them is a file, a device, or closed.
    """
    for number, name in enumerate(("stdin", "stdout")):
        if not _leads_to_somebody(number):
            raise ConfigError(
                "bad_usage", f"an MCP client speaks through pipes, {name} is none; or use --http"
            )
    ours = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    return ours


def _leads_to_somebody(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


async def serve_stdio(server: Any, streams: tuple[int, int]) -> None:
    """Serve one client until it closes its end.

    server: of `make_server`. streams: of `own_streams`.
    """
    async with _messages(*streams) as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


@asynccontextmanager
async def _messages(stdin: int, stdout: int) -> AsyncIterator[tuple[Any, Any]]:
    import anyio

    incoming, received = anyio.create_memory_object_stream[Any](0)
    sent, outgoing = anyio.create_memory_object_stream[Any](0)
    reader, transport = await open_reader(stdin)
    writer = await open_writer(stdout)

    async def read() -> None:
        with incoming:
            await read_messages(reader, incoming, MOST_BYTES)

    async def write() -> None:
        with suppress(OSError):
            await write_messages(writer, outgoing)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        writing = group.create_task(write())
        try:
            yield received, sent
        finally:
            sent.close()
            received.close()
            reading.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await asyncio.wait([writing])
            writing.cancel()
            outgoing.close()
            transport.close()
            writer.close()
