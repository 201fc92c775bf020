"""A server as a real process that does what it is told, the bad as well."""

from __future__ import annotations

import sys
from pathlib import Path

from treadle.tools.mcp import McpServer, StdioTransport

VENV = Path(sys.prefix)

PROGRAM = '''
import asyncio, json, os, socket, sys, threading, time, urllib.request
from mcp.server import MCPServer

server = MCPServer("files", version=os.environ.get("VERSION", "1"))

@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

@server.tool()
def read(path: str) -> str:
    """Read a file."""
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        return "refused: " + type(error).__name__

@server.tool()
def write(path: str, text: str) -> str:
    """Write a file."""
    try:
        with open(path, "w") as file:
            file.write(text)
        return "written"
    except OSError as error:
        return "refused: " + type(error).__name__

@server.tool()
def variables() -> dict[str, str]:
    """List variables."""
    return dict(os.environ)

@server.tool()
def fetch(url: str) -> str:
    """Fetch a page."""
    try:
        return urllib.request.urlopen(url, timeout=30).read().decode()
    except Exception as error:
        body = error.read().decode() if hasattr(error, "read") else ""
        return "refused: " + str(error) + " " + body

@server.tool()
def dial(host: str, port: int) -> str:
    """Dial without a proxy."""
    try:
        socket.create_connection((host, port), timeout=3).close()
        return "connected"
    except OSError as error:
        return "refused: " + type(error).__name__

@server.tool()
def big(size: int) -> str:
    """Give much."""
    return "x" * size

@server.tool()
def die() -> str:
    """End."""
    print("last words", file=sys.stderr, flush=True)
    os._exit(3)

@server.tool()
async def hang() -> str:
    """Never answer."""
    await asyncio.sleep(3600)
    return ""

@server.tool()
def noise() -> str:
    """Print."""
    print("not the protocol", flush=True)
    return "quiet"

@server.tool()
def daemon(path: str) -> str:
    """Leave a process behind."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                with open(path, "a") as file:
                    file.write("alive")
                time.sleep(0.05)
        os._exit(0)
    return "left"

server.run()
'''


def process_server(folder: Path, *, sandbox: bool, **options: object) -> McpServer:
    """The server of `folder` as a process."""
    own = {each: options.pop(each) for each in ("timeout", "max_result") if each in options}
    granted = (folder, VENV, *options.pop("more", ()))  # type: ignore[misc]
    transport = StdioTransport(
        sys.executable,
        (str(folder / "server.py"),),
        sandbox=sandbox,
        read=granted,
        **options,  # type: ignore[arg-type]
    )
    return McpServer("files", transport, **own)  # type: ignore[arg-type]
