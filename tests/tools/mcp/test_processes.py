"""Servers as real processes, with and without a sandbox."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.tools.mcp.programs import VENV, process_server

from treadle.core.errors import ConfigError, ToolError
from treadle.tools import Tool
from treadle.tools.mcp import McpServer, McpServers, MemoryPins, StdioTransport, trust_on_first_use

pytestmark = pytest.mark.timeout(120)  # servers that start take their time on a busy machine


@asynccontextmanager
async def tools_of(server: McpServer, **options: Any) -> AsyncIterator[dict[str, Tool]]:
    async with McpServers([server], decide=trust_on_first_use, **options) as servers:
        yield {each.name.partition(".")[2]: each for each in servers.tools}


async def result(tool: Tool, **arguments: Any) -> Any:
    value = await tool.call(arguments)
    return value["result"] if isinstance(value, dict) and "result" in value else value


async def failure(tool: Tool, **arguments: Any) -> ToolError:
    with pytest.raises(ToolError) as failed:
        await tool.call(arguments)
    return failed.value


async def test_a_server_dies_and_comes_back(plain: McpServer) -> None:
    async with tools_of(plain) as tools:
        assert await result(tools["add"], a=1, b=2) == 3
        died = await failure(tools["die"])
        assert died.code == "mcp_server_died"
        assert "last words" in died.message
        assert not died.retryable
        assert await result(tools["add"], a=2, b=2) == 4


async def test_a_server_that_does_not_stay_is_given_up(plain: McpServer) -> None:
    async with tools_of(plain) as tools:
        codes = [(await failure(tools["die"])).code for _ in range(6)]
    assert codes[0] == "mcp_server_died"
    assert codes[-1] == "mcp_unreachable"


async def test_calls_are_bounded_in_time_and_size(folder: Path) -> None:
    server = process_server(folder, sandbox=False, max_result=10_000)
    async with tools_of(server) as tools:
        assert (await failure(tools["big"], size=20_000)).code == "mcp_result_too_large"
        assert (await failure(tools["big"], size=5_000_000)).code == "mcp_result_too_large"
        with pytest.raises(ToolError) as failed:
            await tools["hang"].call({}, timeout=0.5)
        assert failed.value.code == "tool_timeout"
        assert await result(tools["add"], a=1, b=1) == 2


async def test_noise_on_stdout_is_passed_over(plain: McpServer) -> None:
    async with tools_of(plain) as tools:
        assert await result(tools["noise"]) == "quiet"
        assert await result(tools["add"], a=1, b=1) == 2


async def test_a_server_gets_no_variables_but_those_it_was_granted(folder: Path) -> None:
    server = process_server(folder, sandbox=False, environment={"KEY": "k-${GIVEN}"})
    ours = {**os.environ, "GIVEN": "1", "SECRET": "2"}
    async with tools_of(server, environment=ours) as tools:
        variables = await result(tools["variables"])
    assert variables["KEY"] == "k-1"
    assert "SECRET" not in variables
    assert "GIVEN" not in variables


async def test_a_secret_that_was_granted_does_not_come_back(folder: Path) -> None:
    server = process_server(folder, sandbox=False, environment={"API_TOKEN": "${API_TOKEN}"})
    ours = {**os.environ, "API_TOKEN": "tr0ub4dor-and-3"}
    async with tools_of(server, environment=ours) as tools:
        variables = await result(tools["variables"])
    assert variables["API_TOKEN"] == "[secret API_TOKEN]"


async def test_a_variable_that_is_missing_is_an_error(folder: Path) -> None:
    server = process_server(folder, sandbox=False, environment={"KEY": "${MISSING}"})
    with pytest.raises(ConfigError) as failed:
        async with tools_of(server, environment={}):
            pass
    assert failed.value.code == "mcp_missing_variable"


@pytest.mark.parametrize(
    "transport",
    [
        StdioTransport("no-such-program-here", sandbox=False),
        StdioTransport("no-such-program-here"),
        StdioTransport("/bin/true", sandbox=False),
        StdioTransport("/bin/sh", ("-c", "echo it went wrong >&2; exit 1"), sandbox=False),
        StdioTransport("/bin/sh", ("-c", "sleep 3600"), sandbox=False),
    ],
)
async def test_a_server_that_does_not_start_is_said_to(transport: StdioTransport) -> None:
    # Short only where it is what the test waits for.
    limit = 2.0 if "sleep 3600" in transport.arguments else 30.0
    with pytest.raises(ToolError) as failed:
        async with tools_of(McpServer("files", transport, start_seconds=limit)):
            pass
    assert failed.value.code == "mcp_unreachable"
    if "wrong" in str(transport.arguments):
        assert "it went wrong" in failed.value.message


async def test_a_script_that_was_changed_is_another_server(folder: Path) -> None:
    pins = MemoryPins()
    server = process_server(folder, sandbox=False)
    async with McpServers([server], pins=pins, decide=trust_on_first_use):
        pass
    script = folder / "server.py"
    script.write_text(script.read_text() + "\n# changed\n")
    with pytest.raises(ToolError) as failed:
        async with McpServers([server], pins=pins, decide=trust_on_first_use):
            pass
    assert failed.value.code == "mcp_server_changed"
    assert "server.py" in failed.value.message


@pytest.mark.usefixtures("sandboxed")
async def test_a_sandboxed_server_sees_what_it_was_granted(folder: Path) -> None:
    secret = folder.parent / f"{folder.name}-secret"
    secret.write_text("s3cret")
    try:
        async with tools_of(process_server(folder, sandbox=True)) as tools:
            assert await result(tools["add"], a=1, b=2) == 3
            assert "import" in await result(tools["read"], path=str(folder / "server.py"))
            for path in (str(secret), "/etc/shadow", str(Path.home() / ".ssh/id_rsa")):
                assert (await result(tools["read"], path=path)).startswith("refused")
            for path in (str(folder / "x"), "/usr/x", "/etc/x"):
                assert (await result(tools["write"], path=path, text="x")).startswith("refused")
            await result(tools["write"], path=str(secret), text="x")  # its own /tmp, not ours
            assert secret.read_text() == "s3cret"
    finally:
        secret.unlink()
    assert not (folder / "x").exists()


@pytest.mark.usefixtures("sandboxed")
async def test_a_sandboxed_server_writes_where_it_may(folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    own.chmod(0o777)
    server = process_server(folder, sandbox=True, write=(own,))
    async with tools_of(server) as tools:
        assert await result(tools["write"], path=str(own / "a"), text="hello") == "written"
    assert (own / "a").read_text() == "hello"


@pytest.mark.usefixtures("sandboxed")
async def test_a_sandboxed_server_has_none_of_our_variables(folder: Path) -> None:
    server = process_server(folder, sandbox=True, environment={"KEY": "${GIVEN}"})
    ours = {**os.environ, "GIVEN": "1", "SECRET": "2"}
    async with tools_of(server, environment=ours) as tools:
        variables = await result(tools["variables"])
        inside = await result(tools["read"], path="/proc/self/environ")
    assert variables["KEY"] == "1"
    assert "SECRET" not in variables
    assert "SECRET" not in inside


@pytest.mark.usefixtures("sandboxed")
async def test_a_sandboxed_server_has_no_network(folder: Path) -> None:
    async with _http() as port, tools_of(process_server(folder, sandbox=True)) as tools:
        assert (await result(tools["dial"], host="127.0.0.1", port=port)).startswith("refused")
        assert (await result(tools["fetch"], url=f"http://127.0.0.1:{port}/")).startswith("refused")


@pytest.mark.usefixtures("sandboxed")
async def test_a_sandboxed_server_reaches_the_hosts_that_it_was_granted(folder: Path) -> None:
    async with _http() as port, _http() as other:
        server = process_server(folder, sandbox=True, hosts=(f"localhost:{port}",))
        async with tools_of(server) as tools:
            assert await result(tools["fetch"], url=f"http://localhost:{port}/") == "a page"
            refused = await result(tools["fetch"], url=f"http://localhost:{other}/")
            assert "not among the allowed hosts" in refused
            assert (await result(tools["dial"], host="127.0.0.1", port=port)).startswith("refused")
            assert "refused" in await result(tools["fetch"], url="http://169.254.169.254/")


@pytest.mark.usefixtures("sandboxed")
async def test_nothing_is_left_of_a_sandboxed_server(folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    own.chmod(0o777)
    beat = own / "beat"
    server = process_server(folder, sandbox=True, write=(own,))
    async with tools_of(server) as tools:
        assert await result(tools["daemon"], path=str(beat)) == "left"
        async with asyncio.timeout(30):
            while not beat.exists():
                await asyncio.sleep(0.01)
    size = beat.stat().st_size
    await asyncio.sleep(0.3)
    assert beat.stat().st_size == size


@pytest.mark.usefixtures("sandboxed")
async def test_a_program_that_the_sandbox_does_not_show_is_refused(folder: Path) -> None:
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(ToolError, match="does not show"):
        async with tools_of(McpServer("files", StdioTransport(str(program), read=(VENV,)))):
            pass


@asynccontextmanager
async def _http() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\na page")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "localhost", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
