"""Which server it is: how it is reached, what it runs, what it calls itself."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from treadle.core.json_value import JsonValue, canonical_json
from treadle.tools.mcp.config import HttpTransport, McpServer, StdioTransport

_CODE = frozenset({".py", ".pyz", ".js", ".mjs", ".cjs", ".ts", ".sh", ".rb", ".jar"})
_MOST_BYTES = 64 * 1024 * 1024


def identity_of(server: McpServer, server_info: JsonValue) -> dict[str, JsonValue]:
    """What a server is known by; another one is another server.

    For a process its command with the hashes of the files of code that it names, for a URL that
    URL and the certificate that it must show, and for all the name and version that the server
    gives itself.
    """
    transport = server.transport
    identity: dict[str, JsonValue] = {"server_info": server_info}
    if isinstance(transport, StdioTransport):
        identity["command"] = [transport.command, *transport.arguments]
        identity["files"] = {
            str(path): _digest(path) for path in _files(transport) if path.suffix in _CODE
        }
    elif isinstance(transport, HttpTransport):
        identity["url"] = transport.url
        identity["certificate"] = transport.certificate
    else:
        identity["in_memory"] = type(transport.server).__name__
    return identity


def identity_hash(identity: dict[str, JsonValue]) -> str:
    """Hex sha256 of an identity."""
    return hashlib.sha256(canonical_json(identity)).hexdigest()


def _files(transport: StdioTransport) -> list[Path]:
    named = [Path(each) for each in transport.arguments]
    found = shutil.which(transport.command)
    return [*([Path(found)] if found else []), *(each for each in named if each.is_file())]


def _digest(path: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
