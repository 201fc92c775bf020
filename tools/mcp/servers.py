"""MCP servers as a source of tools."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from treadle.core.clock import Clock, SystemClock
from treadle.core.errors import ConfigError, ToolError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.tools.mcp.config import McpServer
from treadle.tools.mcp.connection import Connection, Progress, connected
from treadle.tools.mcp.identity import identity_of
from treadle.tools.mcp.judging import ServerReport, judge
from treadle.tools.mcp.link import Link
from treadle.tools.mcp.made_tool import made_tool
from treadle.tools.mcp.pins import MemoryPins, PinStore
from treadle.tools.mcp.results import failure_of, value_of
from treadle.tools.mcp.scan import Finding
from treadle.tools.mcp.sdk import check_sdk
from treadle.tools.sandbox.boundary import Boundary
from treadle.tools.tool import Tool

Decide: TypeAlias = Callable[[ServerReport], Awaitable[bool]]
"""Asked whether a server is approved as the report shows it; only True is a yes."""

Found: TypeAlias = Callable[[str, tuple[Finding, ...]], None]
"""Told of what was found in a result of the tool of that name."""

_log = logging.getLogger("treadle.mcp")


def _log_found(tool: str, findings: tuple[Finding, ...]) -> None:
    for each in findings:
        _log.warning("%s: %s", tool, each)


async def trust_on_first_use(report: ServerReport) -> bool:
    """Approves a server that nobody has seen before and that has no severe findings."""
    return report.status == "new" and report.pin.accepted == frozenset()


class McpServers:
    """`async with McpServers(configured, pins=...) as servers: Runtime(tools=servers.tools)`.

    Each tool `t` of a server `s` is the tool `s.t`: with the server's schemas, the description
    that was approved, and an effect that the server can only make worse. Results come cleaned
    (see `clean_result`) and are not to be trusted. Servers may not ask the user or a model
    anything. A server that is lost is started again for the next call; the call during which it
    was lost is not repeated.

    pins: what was approved. decide: is asked about what was not; None for nobody, so that it is
    refused. strict: whether a server that is not as approved is an error here, or only in its
    report, in which case its unchanged tools are there.
    taken: names of tools that the host has, which no server may resemble; those that are built in
        by default.
    beside: the tools of other servers, by server, that are there without being among these.
    progress: told of the progress of calls. found: told of what was found in results, with the
    tool's name; by default it is logged as a warning of `treadle.mcp`.
    environment: where the variables come from that are granted; that of the process by default.
    boundary: behind which processes run; the strongest of this machine by default.

    Entering raises, where `strict`, what stands in `error` of a report: ToolError
    (`mcp_unreachable`, `mcp_not_approved`, `mcp_server_changed`, `mcp_tool_changed`,
    `mcp_poisoned`, `mcp_bad_listing`, `sandbox_unavailable`), and ConfigError
    (`mcp_missing_variable`, `bad_mcp_config`, `bad_mcp_pins`). Without the SDK it raises
    ConfigError (`missing_extra`).

    Calls raise ToolError: the same, and `mcp_server_died`, `mcp_tool_gone`, `mcp_tool_error`,
    `mcp_result_too_large`, `mcp_bad_result`, `mcp_protocol_error`, `mcp_input_refused`, beside
    those of every tool.
    """

    def __init__(
        self,
        servers: Iterable[McpServer],
        *,
        pins: PinStore | None = None,
        decide: Decide | None = None,
        strict: bool = True,
        taken: Iterable[str] | None = None,
        beside: Mapping[str, Iterable[str]] | None = None,
        progress: Progress = lambda tool, done, total, message: None,
        found: Found = _log_found,
        environment: Mapping[str, str] | None = None,
        boundary: Boundary | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._servers = {each.name: each for each in _distinct(servers)}
        self._beside = {name: tuple(each) for name, each in (beside or {}).items()}
        self._pins = pins if pins is not None else MemoryPins()
        self._decide = decide
        self._strict = strict
        self._taken = builtin_names() if taken is None else tuple(taken)
        self._progress = progress
        self._found = found
        ours = os.environ if environment is None else environment
        self._reports: dict[str, ServerReport] = {}
        self._judged = False
        self._links = {
            name: Link(
                server,
                partial(connected, server, environment=ours, boundary=boundary),
                partial(self._look, server),
                clock or SystemClock(),
            )
            for name, server in self._servers.items()
        }
        self._group: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self.tools: tuple[Tool, ...] = ()
        """The tools that may be used, server by server."""

    @property
    def reports(self) -> Mapping[str, ServerReport]:
        """What the last look at each server has shown, by server."""
        return dict(self._reports)

    async def __aenter__(self) -> McpServers:
        if self._servers:
            check_sdk()
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._running = [self._group.create_task(link.run()) for link in self._links.values()]
        try:
            await asyncio.gather(*(self._first_look(name) for name in self._servers))
            self._judged = True
            for name in self._servers:
                await self._settle(name)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        self.tools = tuple(self._tools())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._group is not None
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def _first_look(self, name: str) -> None:
        try:
            await self._links[name].ready()
        except TreadleError as error:
            self._reports[name] = ServerReport(name, "failed", error=error)

    async def _look(self, server: McpServer, connection: Connection) -> None:
        """Judge a server that is connected, or whose tools have changed."""
        definitions = await connection.definitions()
        if server.tools is not None:
            definitions = {name: each for name, each in definitions.items() if name in server.tools}
        identity = await run_in_thread(partial(identity_of, server, connection.server_info))
        self._reports[server.name] = judge(
            server,
            identity,
            definitions,
            self._pins.load(server.name),
            # At first the others are still on their way; see _settle.
            self._others(server.name) if self._judged else {},
        )

    async def _settle(self, name: str) -> None:
        """Judge a server beside the others, and ask about it where it is not approved."""
        report = self._reports[name]
        if report.status != "failed":
            report = self._judge_again(report)
            if await self._is_approved_now(report):
                # In a thread: it may wait for another process.
                await run_in_thread(partial(self._pins.save, name, report.pin))
                report = self._judge_again(report)
        if report.error is not None and self._strict:
            raise report.error

    async def _is_approved_now(self, report: ServerReport) -> bool:
        if report.error is None or self._decide is None:
            return False
        return await self._decide(report) is True

    def _judge_again(self, report: ServerReport) -> ServerReport:
        server = self._servers[report.server]
        pin, others = self._pins.load(report.server), self._others(report.server)
        judged = judge(server, report.identity, report.tools, pin, others)
        self._reports[report.server] = judged
        return judged

    def _others(self, name: str) -> dict[str, tuple[str, ...]]:
        """The names that the tools of a server could be taken for: the host's, and those of the
        servers that stand before it."""
        others = {"": self._taken, **self._beside}
        for other, report in self._reports.items():
            if other == name or list(self._servers).index(other) > list(self._servers).index(name):
                continue
            others[other] = tuple(report.tools)
        return others

    def _tools(self) -> Iterable[Tool]:
        for name, server in self._servers.items():
            report = self._reports[name]
            for tool, definition in report.tools.items():
                if tool not in report.refusals:
                    yield made_tool(server, definition, partial(self._call, server, tool))

    async def _call(
        self, server: McpServer, tool: str, arguments: Mapping[str, JsonValue]
    ) -> JsonValue:
        connection = await self._links[server.name].ready()
        report = self._reports[server.name]
        if tool in report.refusals:
            raise report.refusals[tool]
        if tool not in report.tools:
            raise ToolError(
                "mcp_tool_gone", f"MCP server '{server.name}' has no tool '{tool}' any more"
            )
        result = await connection.call(tool, arguments, self._progress)
        promised = report.tools[tool].document.get("outputSchema") is not None
        full = f"{server.name}.{tool}"
        if result.is_error:
            error, findings = failure_of(full, result)
            if findings:
                self._found(full, findings)
            raise error
        # In a thread: a long text that is made for it takes seconds to be looked through.
        value, findings = await run_in_thread(
            partial(value_of, full, result, most=server.max_result, structured=promised)
        )
        if findings:
            self._found(full, findings)
        return value


def builtin_names() -> tuple[str, ...]:
    """The names of the tools that are built in."""
    from treadle.tools.builtin import builtin_tools

    return tuple(each.name for each in builtin_tools(Path.cwd()))


def _distinct(servers: Iterable[McpServer]) -> Iterable[McpServer]:
    seen: set[str] = set()
    for each in servers:
        if each.name in seen:
            raise ConfigError("bad_mcp_config", f"there are two MCP servers named '{each.name}'")
        seen.add(each.name)
        yield replace(each)
