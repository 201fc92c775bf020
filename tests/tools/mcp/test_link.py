"""Who may call while a server's changed list of tools is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from treadle.core.clock import SystemClock
from treadle.tools.mcp import McpServer, StdioTransport
from treadle.tools.mcp.connection import Connection
from treadle.tools.mcp.link import Link


class Listed:
    """A connection whose list of tools changes when it is told to."""

    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        self.is_lost = False
        self.has_changed = False
        self.client = SimpleNamespace(server_capabilities=SimpleNamespace(tools=None))

    def change(self) -> None:
        self.has_changed = True
        self.stirred.set()


async def test_nobody_calls_before_a_changed_list_was_judged() -> None:
    connection, looked, go_on = Listed(), [asyncio.Event(), asyncio.Event()], asyncio.Event()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Connection]:
        yield cast(Connection, connection)

    async def look(_: Connection) -> None:
        if looked[0].is_set():
            looked[1].set()
            await go_on.wait()
        looked[0].set()

    link = Link(McpServer("s", StdioTransport("true")), connect, look, SystemClock())
    running = asyncio.create_task(link.run())
    try:
        await link.ready()
        connection.change()
        await asyncio.wait_for(looked[1].wait(), 5)
        caller = asyncio.create_task(link.ready())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(caller), 0.2)
        go_on.set()
        assert await asyncio.wait_for(caller, 5) is cast(Connection, connection)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
