"""Which MCP servers there are, how each is reached, and what it is granted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from treadle.core.errors import ConfigError
from treadle.core.secrets import remember

SERVER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""No dots: the first dot of a tool's full name ends the server's."""

RESERVED_NAMES = frozenset({"builtin", "local", "mcp", "system", "tools", "treadle"})
"""Names that would let a server pass for Treadle itself."""

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class StdioTransport:
    """A server that is a process of ours, spoken to through its stdin and stdout.

    command, arguments: what is started; a relative command is looked up in PATH.
    sandbox: whether it runs behind a boundary; without one it may do whatever you may.
    hosts: what it may contact, `name`, `name:port` or `*.name`; nothing by default.
    read, write: folders that it sees, at the same paths; none by default beside /usr.
    environment: variables by name; `${NAME}` in a value is a variable of ours. There are no others.
    """

    command: str
    arguments: tuple[str, ...] = ()
    sandbox: bool = True
    hosts: tuple[str, ...] = ()
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """A server at a URL, spoken to over streamable HTTP.

    headers: sent with each request; `${NAME}` in a value is an environment variable.
    certificate: hex sha256 of the certificate that it must show; None for any that is valid.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryTransport:
    """A server object of the MCP SDK (`Server` or `MCPServer`) in this process."""

    server: object


McpTransport: TypeAlias = StdioTransport | HttpTransport | MemoryTransport


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server and how far it is trusted.

    name: its tools are called `name.tool`.
    tools: the only ones that are taken; None for all.
    trusted: whether its annotations may loosen policy (`readOnlyHint` makes a read, say); from
        all others they only tighten it.
    timeout: seconds for one call. start_seconds: until it has answered for the first time.
    max_result: characters of a result; a longer one is an error.
    concurrency: calls at once, None for any number.

    Raises ConfigError (`bad_mcp_config`).
    """

    name: str
    transport: McpTransport
    tools: tuple[str, ...] | None = None
    trusted: bool = False
    timeout: float = 60.0
    start_seconds: float = 30.0
    max_result: int = 256 * 1024
    concurrency: int | None = None

    def __post_init__(self) -> None:
        if not SERVER_NAME.fullmatch(self.name) or self.name in RESERVED_NAMES:
            raise ConfigError(
                "bad_mcp_config",
                f"'{self.name[:60]}' is no name for an MCP server; use lower-case letters, digits, "
                f"'_' and '-', 32 at most, and none of {', '.join(sorted(RESERVED_NAMES))}",
            )
        _positive(self.name, timeout=self.timeout, start_seconds=self.start_seconds)
        _positive(self.name, max_result=self.max_result)
        if isinstance(self.transport, HttpTransport):
            _check_url(self.name, self.transport)


def _positive(server: str, **numbers: float) -> None:
    for option, number in numbers.items():
        if not 0 < number < float("inf"):
            raise ConfigError(
                "bad_mcp_config", f"MCP server '{server}': {option} is a number above 0"
            )


def _check_url(server: str, transport: HttpTransport) -> None:
    parts = urlsplit(transport.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigError(
            "bad_mcp_config",
            f"MCP server '{server}': its url is http:// or https:// with a host and no password",
        )
    if transport.certificate is None:
        return
    if parts.scheme != "https" or not re.fullmatch(r"[0-9a-f]{64}", transport.certificate):
        raise ConfigError(
            "bad_mcp_config",
            f"MCP server '{server}': certificate is a hex sha256, and for https only",
        )


def with_variables(
    server: str,
    values: Mapping[str, str],
    environment: Mapping[str, str],
    *,
    secret: bool = False,
) -> dict[str, str]:
    """`values` with each `${NAME}` replaced by the variable of that name.

    What is a secret by its name (or `secret` by its use, as headers are) is taken out of whatever
    comes back, from here or from elsewhere; see `treadle.core.secrets`.

    Raises ConfigError (`mcp_missing_variable`).
    """

    def known(found: re.Match[str]) -> str:
        value = environment.get(found[1])
        if value is None:
            raise ConfigError(
                "mcp_missing_variable",
                f"MCP server '{server}' is to get the environment variable {found[1]}, which is "
                f"not set",
            )
        if secret or _SECRET_NAME.search(found[1]):
            remember(found[1], value)
        return value

    return {name: _REFERENCE.sub(known, text) for name, text in values.items()}
