"""`treadle mcp add`, `list`, `inspect`, `approve`, `remove`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.ending import exit_code
from treadle.cli.harmless import one_line
from treadle.cli.options import settings, state_folder
from treadle.cli.output import print_error, print_json, print_note, write_stdout
from treadle.core.errors import ConfigError, ToolError

if TYPE_CHECKING:
    from treadle.tools.mcp import McpServer, PinFile, ServerReport

_WAITING = 3


@dataclass(frozen=True, slots=True)
class Added:
    """A server as the command line describes it."""

    name: str
    command: tuple[str, ...]
    url: str | None
    headers: tuple[str, ...]
    certificate: str | None
    hosts: tuple[str, ...]
    read: tuple[Path, ...]
    write: tuple[Path, ...]
    environment: tuple[str, ...]
    tools: tuple[str, ...] | None
    sandbox: bool
    trusted: bool
    timeout: float


async def add(added: Added, json: bool) -> int:
    """Write the server into the config file. Raises ConfigError (`bad_mcp_config`)."""
    from treadle.tools.builtin.host_policy import host_policy
    from treadle.tools.mcp import load_servers, save_server

    if added.url is not None and (added.hosts or added.read or added.write or added.environment):
        raise ConfigError(
            "bad_mcp_config", "a server behind a url runs elsewhere: hosts, folders and variables "
            "are granted to commands"
        )  # fmt: skip
    for folder in (*added.read, *added.write):
        if not folder.exists():
            raise ConfigError("bad_mcp_config", f"{folder} does not exist, and cannot be granted")
    server = _server(added)
    host_policy(added.hosts)
    if server.name in load_servers(servers_file()):
        raise ConfigError(
            "bad_mcp_config", f"there is an MCP server '{server.name}'; remove it first"
        )
    save_server(servers_file(), server)
    if json:
        print_json({"server": server.name, "file": str(servers_file())})
    else:
        print_note(f"added {server.name}; next: treadle mcp approve {server.name}")
    return 0


async def list_servers(json: bool) -> int:
    """Print the servers and whether they are approved."""
    from treadle.tools.mcp import load_servers

    pins = pin_file()
    rows = []
    for server in load_servers(servers_file()).values():
        pin = pins.load(server.name)
        rows.append((server, None if pin is None else sorted(pin.tools)))
    if json:
        print_json(
            [
                {
                    "server": server.name,
                    "transport": _place(server),
                    "approved": tools is not None,
                    "tools": [f"{server.name}.{each}" for each in tools or ()],
                }
                for server, tools in rows
            ]
        )
        return 0
    width = max((len(server.name) for server, _ in rows), default=0)
    lines = [
        f"{server.name:{width}}  "
        f"{'not approved' if tools is None else f'{len(tools)} tools':12}  "
        f"{one_line(_place(server), 100)}"
        for server, tools in rows
    ]
    write_stdout("\n".join(lines) + "\n" if lines else "")
    if not lines:
        print_note("no server was added yet; see treadle mcp add --help")
    return 0


async def inspect(name: str, json: bool) -> int:
    """Print a report; 0 where everything is approved, 3 where a person has to decide."""
    report = await _look(name)
    if json:
        print_json(report.as_json())
    else:
        write_stdout(_text(report))
    if report.status == "failed":
        # Raised, it would be a second object behind the report, which has it already.
        assert report.error is not None
        print_error(report.error)
        return exit_code(report.error)
    return 0 if report.status == "approved" else _WAITING


async def approve(name: str, accept_findings: bool, tool_set: str | None, json: bool) -> int:
    """Pin a server as it is now.

    Raises ToolError: `mcp_poisoned` where there are severe findings that nobody accepts,
    `mcp_tool_changed` where its tools are others than `tool_set`, and why it cannot be looked at.
    """
    report = await _look(name)
    if report.status == "failed":
        assert report.error is not None
        raise report.error
    if not json:
        print_note(_text(report))
    pin = report.pin
    if tool_set is not None and tool_set != pin.set_hash:
        raise ToolError(
            "mcp_tool_changed", f"the tools of '{name}' are others now: {pin.set_hash}; inspect it"
        )
    known = pin_file().load(name)
    severe = pin.accepted - (frozenset[str]() if known is None else known.accepted)
    if severe and not accept_findings:
        raise ToolError(
            "mcp_poisoned",
            f"MCP server '{name}' has {len(severe)} severe findings; read them above, and if you "
            f"know better, --accept-findings",
        )
    pin_file().save(name, pin)
    if json:
        print_json({"server": name, "tools": [*sorted(pin.tools)], "tool_set_hash": pin.set_hash})
    else:
        print_note(f"approved {name}: {len(pin.tools)} tools")
    return 0


async def remove(name: str, json: bool) -> int:
    """Forget a server. Raises ConfigError (`unknown_mcp_server`)."""
    from treadle.tools.mcp import remove_server

    remove_server(servers_file(), name)
    pin_file().remove(name)
    if json:
        print_json({"server": name, "removed": True})
    else:
        print_note(f"removed {name}")
    return 0


def servers_file() -> Path:
    """The file that names the servers: beside the user's config file."""
    from treadle.agents.user_settings import config_file

    return config_file().with_name("mcp.json")


def configured_server(name: str, servers: Mapping[str, McpServer]) -> McpServer:
    """The one of `servers` that has this name. Raises ConfigError (`unknown_mcp_server`)."""
    from treadle.tools.mcp.config_file import unknown_server

    if name not in servers:
        raise unknown_server(name, servers)
    return servers[name]


def pin_file() -> PinFile:
    """What was approved: in the user's state folder."""
    from treadle.tools.mcp import PinFile

    return PinFile(state_folder(settings()) / "mcp_pins.json")


async def _look(name: str) -> ServerReport:
    from treadle.tools.mcp import McpServers, load_servers

    servers = load_servers(servers_file())
    server = configured_server(name, servers)
    pins = pin_file()
    # As a run sees it: beside the servers that stand before it.
    before = list(servers)[: list(servers).index(name)]
    beside = {each: tuple(pin.tools) for each in before if (pin := pins.load(each)) is not None}
    looking = McpServers([server], pins=pins, strict=False, beside=beside)
    async with looking as found:
        return found.reports[name]


def _server(added: Added) -> McpServer:
    from treadle.tools.mcp import HttpTransport, McpServer, StdioTransport

    if bool(added.command) == (added.url is not None):
        raise ConfigError("bad_mcp_config", "give a command after --, or --url")
    headers = dict(_pair(each) for each in added.headers)
    environment = dict(_pair(each) for each in added.environment)
    transport: StdioTransport | HttpTransport
    if added.url is not None:
        transport = HttpTransport(added.url, headers, added.certificate)
    else:
        transport = StdioTransport(
            added.command[0],
            added.command[1:],
            added.sandbox,
            added.hosts,
            tuple(each.absolute() for each in added.read),
            tuple(each.absolute() for each in added.write),
            environment,
        )
    return McpServer(
        added.name, transport, tools=added.tools, trusted=added.trusted, timeout=added.timeout
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    return name, value if equals else f"${{{name}}}"


def _place(server: McpServer) -> str:
    from treadle.tools.mcp import StdioTransport

    transport = server.transport
    if isinstance(transport, StdioTransport):
        boundary = "" if transport.sandbox else " (no sandbox)"
        return " ".join((transport.command, *transport.arguments)) + boundary
    return str(getattr(transport, "url", "in memory"))


def _text(report: ServerReport) -> str:
    """A report for people."""
    lines = [f"{report.server}: {report.status}"]
    if report.error is not None and report.status == "failed":
        lines.append(f"  {one_line(report.error.message, 600)}")
    for name, tool in report.tools.items():
        refused = f" [{report.refusals[name].code}]" if name in report.refusals else ""
        lines.append(f"  {report.server}.{one_line(name, 80)}{refused}")
        lines.append(f"    {one_line(tool.description, 300)}")
    lines += [f"  ! {one_line(str(each), 400)}" for each in report.findings]
    for change in report.changes:
        lines += [f"  ~ {line}" for line in str(change).splitlines()]
    if report.tools:
        lines.append(f"  hash of these tools: {report.pin.set_hash}")
    return "\n".join(lines) + "\n"
