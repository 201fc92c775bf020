"""The configuration of servers, and the file that holds it."""

import json
import stat
from pathlib import Path

import pytest

from treadle.core.errors import ConfigError
from treadle.tools.mcp import (
    HttpTransport,
    McpServer,
    MemoryTransport,
    StdioTransport,
    load_servers,
    remove_server,
    save_server,
)


@pytest.mark.parametrize("name", ["", "A", "a.b", "1a", "a" * 33, "treadle", "a b", "a\n"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError) as failed:
        McpServer(name, StdioTransport("x"))
    assert failed.value.code == "bad_mcp_config"


@pytest.mark.parametrize(
    "transport",
    [
        HttpTransport("ftp://x/mcp"),
        HttpTransport("http://user:word@x/mcp"),
        HttpTransport("nothing"),
        HttpTransport("http://x/mcp", certificate="0" * 64),
        HttpTransport("https://x/mcp", certificate="abc"),
    ],
)
def test_urls_that_are_none(transport: HttpTransport) -> None:
    with pytest.raises(ConfigError) as failed:
        McpServer("a", transport)
    assert failed.value.code == "bad_mcp_config"


def test_numbers_that_are_none() -> None:
    for option in ("timeout", "start_seconds", "max_result"):
        with pytest.raises(ConfigError):
            McpServer("a", StdioTransport("x"), **{option: 0})  # type: ignore[arg-type]


def test_servers_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config" / "mcp.json"
    assert load_servers(path) == {}
    first = McpServer(
        "files",
        StdioTransport(
            "npx",
            ("-y", "server@1"),
            hosts=("example.com",),
            read=(Path("/data"),),
            write=(Path("/out"),),
            environment={"KEY": "${KEY}"},
        ),
        tools=("read",),
        timeout=5.0,
    )
    second = McpServer("web", HttpTransport("https://example.com/mcp", {"A": "${B}"}), trusted=True)
    save_server(path, first)
    save_server(path, second)
    assert load_servers(path) == {"files": first, "web": second}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    remove_server(path, "files")
    assert load_servers(path) == {"web": second}
    with pytest.raises(ConfigError) as failed:
        remove_server(path, "files")
    assert failed.value.code == "unknown_mcp_server"


def test_files_of_other_clients_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    entry = {"command": "npx", "args": ["-y", "x@1"], "env": ["TOKEN"]}
    path.write_text(json.dumps({"mcpServers": {"x": entry}}))
    transport = load_servers(path)["x"].transport
    assert isinstance(transport, StdioTransport)
    assert transport.environment == {"TOKEN": "${TOKEN}"}
    assert transport.sandbox


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"mcpServers": []}',
        '{"mcpServers": {"x": 1}}',
        '{"mcpServers": {"x": {}}}',
        '{"mcpServers": {"x": {"command": "a", "url": "http://b"}}}',
        '{"mcpServers": {"x": {"command": "a", "sandbx": false}}}',
        '{"mcpServers": {"BAD": {"command": "a"}}}',
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as failed:
        load_servers(path)
    assert failed.value.code == "bad_mcp_config"


def test_a_server_in_memory_stays_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        save_server(tmp_path / "mcp.json", McpServer("a", MemoryTransport(None)))
