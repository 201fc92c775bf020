"""One live connection to a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from treadle.core.errors import ToolError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.tools.mcp.config import HttpTransport, McpServer, StdioTransport
from treadle.tools.mcp.definition import ToolDefinition, definition_of
from treadle.tools.mcp.http import http_transport
from treadle.tools.mcp.launch import launched
from treadle.tools.mcp.pipes import Pipes
from treadle.tools.mcp.scan.characters import spelled
from treadle.tools.sandbox.boundary import Boundary

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

MOST_TOOLS = 1_000
_MOST_PAGES = 200
_CLOSE_SECONDS = 5.0

Progress: TypeAlias = Callable[[str, float, float | None, str | None], None]
"""Told of a call's progress: the tool's full name, how far, of how much, in words."""


class Connection:
    """A connection that is open.

    stirred: set when it is lost, or when the server's tools have changed; see `is_lost` and
    `has_changed`.
    """

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._client: Client | None = None
        self.pipes: Pipes | None = None
        self.stirred = asyncio.Event()
        self.is_lost = False
        self.has_changed = False

    @property
    def client(self) -> Client:
        """The client of the MCP SDK."""
        assert self._client is not None
        return self._client

    @client.setter
    def client(self, client: Client) -> None:
        self._client = client

    def lose(self) -> None:
        """Note that nothing more will come."""
        self.is_lost = True
        self.stirred.set()

    def change(self) -> None:
        """Note that the server's tools may have changed."""
        self.has_changed = True
        self.stirred.set()

    @property
    def server_info(self) -> JsonValue:
        """What the server calls itself: name and version; None where it does not say."""
        info = self.client.server_info
        return None if info is None else {"name": info.name, "version": info.version}

    async def definitions(self) -> dict[str, ToolDefinition]:
        """Every tool of the server, in its order, by name.

        Raises ToolError (`mcp_bad_listing`) for a listing without an end, with a name twice, or
        that is no listing.
        """
        from pydantic import ValidationError

        found: dict[str, ToolDefinition] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            try:
                page = await self.client.list_tools(cursor=cursor, cache_mode="bypass")
                listed = [definition_of(each) for each in page.tools]
            except (ValidationError, ValueError) as error:
                raise self._bad_listing(f"it is none: {_first_line(error)}") from None
            for each in listed:
                if each.name in found:
                    raise self._bad_listing(f"it has '{spelled(each.name)[:80]}' twice")
                found[each.name] = each
            if len(found) > MOST_TOOLS:
                raise self._bad_listing(f"it has more than {MOST_TOOLS:,} tools")
            if page.next_cursor is None or page.next_cursor == cursor:
                return found
            cursor = page.next_cursor
        raise self._bad_listing(f"it has more than {_MOST_PAGES} pages")

    async def call(
        self, tool: str, arguments: Mapping[str, JsonValue], tell: Progress
    ) -> CallToolResult:
        """The answer to a call. Raises ToolError; see `McpServers`."""
        from mcp_types import (
            CallToolRequest,
            CallToolRequestParams,
            CallToolResult,
            InputRequiredResult,
        )
        from pydantic import TypeAdapter

        async def told(
            progress: float, total: float | None = None, message: str | None = None
        ) -> None:
            words = None if message is None else spelled(message)[:200]
            tell(f"{self._server.name}.{tool}", progress, total, words)

        request = CallToolRequest(
            params=CallToolRequestParams(name=tool, arguments=dict(arguments))
        )
        # Not the client's own call_tool: it checks the result with the server's own regular
        # expressions, and asks a person for whatever the server would like to know.
        answers: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
            CallToolResult | InputRequiredResult
        )
        try:
            result = await self.client.session.send_request(
                request, answers, progress_callback=told
            )
        except Exception as error:  # noqa: BLE001 - a server request: whatever a stranger provokes
            raise self._failed(tool, error) from None
        if isinstance(result, InputRequiredResult):
            raise ToolError(
                "mcp_input_refused",
                f"'{self._server.name}.{tool}' wants to ask the user or the model something in the "
                f"middle of a call; servers may not",
            )
        assert isinstance(result, CallToolResult)
        return result

    def _failed(self, tool: str, error: Exception) -> TreadleError:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED
        from pydantic import ValidationError

        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        if isinstance(inner, TreadleError):
            return inner
        name = f"'{self._server.name}.{tool}'"
        if self.pipes is not None and self.pipes.too_long:
            return ToolError(
                "mcp_result_too_large", f"{name} sent more than its server may at once"
            )
        ended = isinstance(inner, MCPError) and (
            inner.code == CONNECTION_CLOSED or "session" in inner.message.lower()
        )
        if ended or self.is_lost or isinstance(inner, OSError):
            self.lose()
            said = self.pipes.stderr[-300:] if self.pipes is not None else spelled(str(inner))[:300]
            return ToolError(
                "mcp_server_died",
                f"the server of {name} went away during the call, which may have had its effect"
                + (f"; it said: {said}" if said else ""),
            )
        if isinstance(inner, ValidationError):
            return ToolError("mcp_bad_result", f"{name} answered nonsense: {_first_line(inner)}")
        return ToolError("mcp_protocol_error", f"{name}: {_first_line(inner)}")

    def _bad_listing(self, reason: str) -> ToolError:
        return ToolError(
            "mcp_bad_listing",
            f"the list of tools of MCP server '{self._server.name}' cannot be used: {reason}",
        )


@asynccontextmanager
async def connected(
    server: McpServer, *, environment: Mapping[str, str], boundary: Boundary | None
) -> AsyncIterator[Connection]:
    """A connection to `server`, which is started first where it is a process.

    Raises ToolError (`mcp_unreachable`, `sandbox_unavailable`, `sandbox_failed`,
    `bad_allowed_host`) and ConfigError (`mcp_missing_variable`).
    """
    connection = Connection(server)
    stack = AsyncExitStack()
    try:
        try:
            async with asyncio.timeout(server.start_seconds):
                await _open(server, connection, stack, environment, boundary)
        except TimeoutError:
            raise _unreachable(
                connection, server, f"no answer within {server.start_seconds:g} s"
            ) from None
        except TreadleError:
            raise
        except Exception as error:
            raise _unreachable(connection, server, _innermost(error)) from error
        yield connection
    except BaseException as error:
        if not await _closed(connection, stack, error):
            raise
    else:
        await _closed(connection, stack, None)


async def _open(
    server: McpServer,
    connection: Connection,
    stack: AsyncExitStack,
    environment: Mapping[str, str],
    boundary: Boundary | None,
) -> None:
    from mcp import Client
    from mcp_types import Implementation, ServerNotification, ToolListChangedNotification

    async def heard(message: ServerNotification | Exception) -> None:
        if isinstance(message, ToolListChangedNotification):
            connection.change()

    most_bytes = 4 * server.max_result + 64 * 1024  # JSON may escape every character
    transport = server.transport
    if isinstance(transport, StdioTransport):
        process = await stack.enter_async_context(
            launched(server, transport, environment, boundary)
        )
        connection.pipes = Pipes(process, most_bytes, connection.lose)
        target: object = connection.pipes.transport()
    elif isinstance(transport, HttpTransport):
        target = http_transport(server, transport, environment, most_bytes)
    else:
        target = transport.server
    client = Client(
        target,  # type: ignore[arg-type]
        message_handler=heard,
        client_info=Implementation(name="treadle", version=_version()),
        cache=None,
    )
    connection.client = await stack.enter_async_context(client)


async def _closed(
    connection: Connection, stack: AsyncExitStack, error: BaseException | None
) -> bool:
    """Close what is open. Returns whether `error` was nothing but the loss of the connection.

    The SDK cancels whoever uses a connection whose transport has failed; that is no cancellation
    of ours, and its scopes, which are on the stack, tell one from the other.
    """
    connection.lose()
    traceback = None if error is None else error.__traceback__
    # A server that is gone, or that goes noisily: what there was to tell of it has been told.
    with suppress(Exception):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await stack.__aexit__(type(error) if error is not None else None, error, traceback)
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() == 0


def _unreachable(connection: Connection, server: McpServer, reason: str) -> ToolError:
    said = connection.pipes.stderr[-500:] if connection.pipes is not None else ""
    more = f"; it said: {said}" if said else ""
    return ToolError(
        "mcp_unreachable", f"MCP server '{server.name}': {reason}{more}", retryable=True
    )


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    lines = spelled(str(error)).splitlines() or [type(error).__name__]
    return lines[0][:300]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("treadle")
    except PackageNotFoundError:
        return "unknown"  # a checkout that nobody has installed
