"""Tools that are there for as long as a command runs: of MCP servers, and made ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.cli.options import CommonOptions
    from treadle.tools.tool import Tool


@asynccontextmanager
async def lent_tools(options: CommonOptions, own: Iterable[str]) -> AsyncIterator[tuple[Tool, ...]]:
    """The tools that `--made` and `--mcp` name; servers and sandbox end with the context.

    own: names of the tools that `--tools` adds, which no server may resemble.

    Raises ConfigError (`unknown_mcp_server`, `missing_extra`), and what McpServers and ToolLibrary
    raise: a server that is not as it was approved ends the command before anything has run.
    """
    async with AsyncExitStack() as stack:
        made = await _made(stack) if options.made else []
        taken = [*own, *(each.name for each in made)]
        lent = await _of_servers(stack, options.mcp, taken) if options.mcp else ()
        yield (*made, *lent)


async def _made(stack: AsyncExitStack) -> list[Tool]:
    from treadle.cli.made_command import made_library
    from treadle.core.threads import run_in_thread
    from treadle.tools.making import made_tools
    from treadle.tools.sandbox import Sandbox

    sandbox = await stack.enter_async_context(Sandbox())
    return await run_in_thread(lambda: made_tools(made_library(), sandbox))


async def _of_servers(
    stack: AsyncExitStack, names: Sequence[str], taken: Iterable[str]
) -> tuple[Tool, ...]:
    from treadle.cli.mcp_command import configured_server, pin_file, servers_file
    from treadle.cli.result_findings import ResultFindings
    from treadle.tools.mcp import McpServers, load_servers
    from treadle.tools.mcp.servers import builtin_names

    configured = load_servers(servers_file())
    wanted = [configured_server(name, configured) for name in dict.fromkeys(names)]
    taken = [*builtin_names(), *taken]
    servers = McpServers(wanted, pins=pin_file(), taken=taken, found=ResultFindings().take)
    return (await stack.enter_async_context(servers)).tools
