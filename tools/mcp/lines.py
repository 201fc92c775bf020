"""The protocol over pipes: one JSON message a line, each of bounded length."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared.message import SessionMessage

_BLOCK = 64 * 1024


async def open_reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """A reader of a pipe's end, and what closes it."""
    reader = asyncio.StreamReader(limit=_BLOCK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader, transport


async def open_writer(descriptor: int) -> asyncio.StreamWriter:
    """A writer to a pipe's end, which is closed with it."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def read_messages(
    reader: asyncio.StreamReader, incoming: MemoryObjectSendStream[Any], most_bytes: int
) -> bool:
    """Hand messages on until there are no more, or nobody takes them.

    Returns False where a line has more than `most_bytes`; nothing after it is read.
    """
    import anyio

    waiting = bytearray()
    try:
        while block := await reader.read(_BLOCK):
            waiting += block
            if len(waiting) > most_bytes and b"\n" not in block:
                return False
            *lines, rest = waiting.split(b"\n") if b"\n" in block else (waiting,)
            waiting = bytearray(rest)
            for line in lines:
                if len(line) > most_bytes:
                    return False
                if line.strip():
                    await incoming.send(_message(bytes(line)))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        pass
    return True


async def write_messages(
    writer: asyncio.StreamWriter, outgoing: MemoryObjectReceiveStream[SessionMessage]
) -> None:
    """Write what comes, until no more does. Raises OSError where nobody reads it."""
    async for message in outgoing:
        text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        writer.write(text.encode() + b"\n")
        await writer.drain()


def _message(line: bytes) -> Any:
    """The message on a line, or what is wrong with it."""
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error
