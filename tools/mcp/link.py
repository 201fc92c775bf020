"""A server over its lifetime: connected, looked at, lost, connected again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from treadle.core.clock import Clock
from treadle.core.errors import ToolError, TreadleError
from treadle.tools.mcp.config import McpServer
from treadle.tools.mcp.connection import Connection

MOST_RESTARTS = 3
RESTART_SECONDS = 60.0
"""A server that is lost more often than MOST_RESTARTS times in so many seconds stays lost."""

Look: TypeAlias = Callable[[Connection], Awaitable[None]]


class Link:
    """Keeps one connection to a server, from the task that `run` is.

    connect: makes a connection. look: is shown each new one, and a server whose tools have
    changed, before any call goes through.
    """

    def __init__(
        self,
        server: McpServer,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        look: Look,
        clock: Clock,
    ) -> None:
        self._server = server
        self._connect = connect
        self._look = look
        self._clock = clock
        self._current: Connection | None = None
        self._wanted = asyncio.Event()
        self._waiters: list[asyncio.Future[Connection]] = []
        self._restarts: list[float] = []
        self._looking = False

    async def ready(self) -> Connection:
        """The connection, made anew where it was lost.

        Raises ToolError (`mcp_unreachable`, and what `look` raises), and ConfigError.
        """
        current = self._current
        settled = not self._looking
        if current is not None and settled and not current.is_lost and not current.has_changed:
            return current
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if current is None:
            self._wanted.set()
        try:
            # The connecting has a deadline of its own, and closing what was there before has one.
            async with asyncio.timeout(2 * self._server.start_seconds + 10.0):
                return await waiter
        except TimeoutError:
            raise ToolError(
                "mcp_unreachable",
                f"MCP server '{self._server.name}': no connection in time",
                retryable=True,
            ) from None
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    async def run(self) -> None:
        """Connect whenever somebody wants to call; until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                self._count()
                await self._one()
            except TreadleError as error:
                self._refuse(error)
            except Exception as error:  # noqa: BLE001 - a server request: the link must outlive it
                reason = f"{type(error).__name__}: {error}"
                self._refuse(
                    ToolError("mcp_unreachable", f"MCP server '{self._server.name}': {reason}")
                )
            finally:
                self._current = None
            if self._waiters:
                self._wanted.set()

    async def _one(self) -> None:
        """One connection from its beginning to its loss."""
        async with self._connect() as connection:
            await self._seen(connection)
            self._current = connection
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(_listen(connection))
                while True:
                    if not connection.has_changed:
                        self._admit(connection)
                    await connection.stirred.wait()
                    connection.stirred.clear()
                    if connection.is_lost:
                        break
                    connection.has_changed = False
                    await self._seen(connection)
                listening.cancel()

    async def _seen(self, connection: Connection) -> None:
        """Judge what it lists; until that is done nobody calls."""
        self._looking = True
        try:
            async with asyncio.timeout(self._server.start_seconds):
                await self._look(connection)
        except TimeoutError:
            raise ToolError(
                "mcp_unreachable",
                f"MCP server '{self._server.name}' does not list its tools",
                retryable=True,
            ) from None
        finally:
            self._looking = False

    def _count(self) -> None:
        """Note a start. Raises ToolError where there were too many."""
        now = self._clock.monotonic()
        self._restarts = [each for each in self._restarts if now - each < RESTART_SECONDS]
        if len(self._restarts) > MOST_RESTARTS:
            raise ToolError(
                "mcp_unreachable",
                f"MCP server '{self._server.name}' was started {len(self._restarts)} times within "
                f"{RESTART_SECONDS:g} s and does not stay",
                retryable=True,
            )
        self._restarts.append(now)

    def _admit(self, connection: Connection) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(connection)
        self._waiters.clear()

    def _refuse(self, error: TreadleError) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiters.clear()


async def _listen(connection: Connection) -> None:
    """Hear of changes where the protocol has a request for that (2026-07-28)."""
    from mcp import MCPError
    from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

    tools = connection.client.server_capabilities.tools
    if tools is None or not tools.list_changed:
        return
    try:
        async with connection.client.listen(tools_list_changed=True) as events:
            # What changed between the listing and this subscription is seen now.
            connection.change()
            async for _ in events:
                connection.change()
    except (ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
        return  # older servers notify by themselves; all are looked at anew when they come back
