"""The file that names MCP servers, in the form that other clients use as well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from treadle.core.errors import ConfigError
from treadle.core.invalid import reason_of
from treadle.core.json_value import JsonValue
from treadle.tools.mcp.config import HttpTransport, McpServer, McpTransport, StdioTransport
from treadle.tools.mcp.private_file import changing, write_private

_MOST_BYTES = 1024 * 1024


class _Entry(BaseModel):
    """One server as the file has it."""

    model_config = ConfigDict(extra="forbid")

    command: str | None = None
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] | list[str] = Field(default_factory=dict)
    sandbox: bool = True
    hosts: list[str] = Field(default_factory=list)
    read: list[Path] = Field(default_factory=list)
    write: list[Path] = Field(default_factory=list)
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    certificate: str | None = None
    tools: list[str] | None = None
    trusted: bool = False
    timeout: float = 60.0
    start_seconds: float = 30.0
    max_result: int = 256 * 1024
    concurrency: int | None = None


def load_servers(path: Path) -> dict[str, McpServer]:
    """The servers that the file at `path` names, by name; none where there is no file.

    Raises ConfigError (`bad_mcp_config`).
    """
    entries = _entries(path)
    return {name: _server(name, entry, str(path)) for name, entry in entries.items()}


def save_server(path: Path, server: McpServer) -> None:
    """Add `server` to the file at `path`, or replace the one of its name.

    Raises ConfigError (`bad_mcp_config`).
    """
    with changing(path):
        _write(path, {**_entries(path), server.name: _document(server)})


def remove_server(path: Path, name: str) -> None:
    """Take the server out of the file. Raises ConfigError (`unknown_mcp_server`)."""
    if name not in (known := _entries(path)):
        raise unknown_server(name, known)
    with changing(path):
        entries = _entries(path)
        entries.pop(name, None)
        _write(path, entries)


def unknown_server(name: str, known: Mapping[str, object]) -> ConfigError:
    """The error for a server that nobody has added."""
    there = f"there are {', '.join(sorted(known))}" if known else "treadle mcp add adds one"
    return ConfigError("unknown_mcp_server", f"there is no MCP server '{name[:60]}'; {there}")


def _entries(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes")
        document = json.loads(data)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError("bad_mcp_config", f"{path}: {error}") from None
    servers = document.get("mcpServers") if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise ConfigError("bad_mcp_config", f'{path}: write {{"mcpServers": {{NAME: ...}}}}')
    return servers


def _write(path: Path, entries: Mapping[str, JsonValue]) -> None:
    text = json.dumps({"mcpServers": entries}, indent=2, ensure_ascii=False) + "\n"
    write_private(path, text.encode("utf-8", "backslashreplace"))


def _server(name: str, entry: object, where: str) -> McpServer:
    try:
        read = _Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            "bad_mcp_config", f"{where}: MCP server '{name[:60]}': {place}: {reason_of(first)}"
        ) from None
    return McpServer(
        name,
        _transport(name, read, where),
        tools=None if read.tools is None else tuple(read.tools),
        trusted=read.trusted,
        timeout=read.timeout,
        start_seconds=read.start_seconds,
        max_result=read.max_result,
        concurrency=read.concurrency,
    )


def _transport(name: str, entry: _Entry, where: str) -> McpTransport:
    if (entry.command is None) == (entry.url is None):
        raise ConfigError(
            "bad_mcp_config", f"{where}: MCP server '{name}': give it a command or a url"
        )
    if entry.url is not None:
        return HttpTransport(entry.url, entry.headers, entry.certificate)
    assert entry.command is not None
    named = (
        entry.env if isinstance(entry.env, dict) else {each: f"${{{each}}}" for each in entry.env}
    )
    return StdioTransport(
        entry.command,
        tuple(entry.args),
        entry.sandbox,
        tuple(entry.hosts),
        tuple(entry.read),
        tuple(entry.write),
        named,
    )


def _document(server: McpServer) -> dict[str, JsonValue]:
    """The entry that reads as `server`; what is as by default is left out."""
    transport = server.transport
    entry: dict[str, Any]
    if isinstance(transport, StdioTransport):
        entry = {
            "command": transport.command,
            "args": list(transport.arguments),
            "env": dict(transport.environment),
            "sandbox": transport.sandbox,
            "hosts": list(transport.hosts),
            "read": [str(each) for each in transport.read],
            "write": [str(each) for each in transport.write],
        }
    elif isinstance(transport, HttpTransport):
        entry = {
            "url": transport.url,
            "headers": dict(transport.headers),
            "certificate": transport.certificate,
        }
    else:
        raise ConfigError(
            "bad_mcp_config", f"MCP server '{server.name}' lives in a process; no file can name it"
        )
    entry |= {
        "tools": None if server.tools is None else list(server.tools),
        "trusted": server.trusted,
        "timeout": server.timeout,
        "start_seconds": server.start_seconds,
        "max_result": server.max_result,
        "concurrency": server.concurrency,
    }
    defaults = _Entry().model_dump(mode="json")
    return {key: value for key, value in entry.items() if value != defaults.get(key)}
