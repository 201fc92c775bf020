"""Starting the process of a server, with what it was granted."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.mcp.config import McpServer, StdioTransport, with_variables
from treadle.tools.mcp.network import HostProxy
from treadle.tools.mcp.network import forward as forward_script
from treadle.tools.mcp.plain_process import start_plain
from treadle.tools.sandbox.boundary import Boundary, BoundaryProcess, Grants
from treadle.tools.sandbox.contract import SandboxLimits

LIMITS = SandboxLimits(
    # A server lives as long as its host; what bounds it are memory, processes and disk.
    seconds=10 * 365 * 86_400.0,
    cpu_seconds=30 * 86_400.0,
    memory_bytes=1024 * 1024 * 1024,
    processes=128,
    disk_bytes=256 * 1024 * 1024,
    file_bytes=128 * 1024 * 1024,
    open_files=512,
)
"""Of each server's process."""

_INSIDE = "/run/treadle"
_PYTHON = os.path.realpath(sys.executable)
"""Seen inside in any case: sandboxed code runs on it."""

_OWN = ("localhost", "127.0.0.1", "::1")


@asynccontextmanager
async def launched(
    server: McpServer,
    transport: StdioTransport,
    environment: Mapping[str, str],
    boundary: Boundary | None,
) -> AsyncIterator[BoundaryProcess]:
    """The running process of `server`; the end of the block ends it and all that it started.

    environment: ours, from which it gets what it was granted. boundary: None takes the strongest
    that this machine has.

    Raises ToolError (`mcp_unreachable`, `sandbox_unavailable`, `sandbox_failed`,
    `bad_allowed_host`) and ConfigError (`mcp_missing_variable`).
    """
    granted = with_variables(server.name, transport.environment, environment)
    if not transport.sandbox:
        argv = [transport.command, *transport.arguments]
        process: BoundaryProcess = await start_plain(argv, granted, environment)
        try:
            yield process
        finally:
            await process.kill()
        return
    command = _visible_command(server.name, transport)
    argv = [command, *transport.arguments]
    read = {_existing(server.name, each): str(each) for each in transport.read}
    write = {_existing(server.name, each): str(each) for each in transport.write}
    sockets: dict[Path, str] = {}
    async with AsyncExitStack() as stack:
        if transport.hosts:
            folder = stack.enter_context(_way_out())
            proxy = await stack.enter_async_context(HostProxy(folder / "proxy", transport.hosts))
            sockets[proxy.path] = f"{_INSIDE}/proxy"
            read[folder / "forward"] = f"{_INSIDE}/forward"
            script = f"{_INSIDE}/forward/forward.py"
            argv = [
                _PYTHON,
                "-I",
                "-S",
                script,
                f"{_INSIDE}/proxy",
                _direct(transport),
                "--",
                *argv,
            ]
        chosen = boundary or _strongest()
        grants = Grants(read=read, write=write, environment=granted, sockets=sockets)
        process = await chosen.start(argv, limits=LIMITS, grants=grants)
        try:
            yield process
        finally:
            await process.kill()


def _direct(transport: StdioTransport) -> str:
    """What is not asked of the proxy: the server's own loopback, unless it was granted ours."""
    ours = any(each.startswith((*_OWN, "[")) for each in transport.hosts)
    return "" if ours else ",".join(_OWN)


@contextmanager
def _way_out() -> Iterator[Path]:
    """A folder for the proxy's socket and for the script that leads to it."""
    with tempfile.TemporaryDirectory(prefix="treadle-mcp-") as name:
        folder = Path(name)
        (folder / "forward").mkdir()
        script = folder / "forward" / "forward.py"
        script.write_bytes(Path(forward_script.__file__).read_bytes())
        # Whoever runs in there has another uid; it may pass through, and list nothing.
        script.chmod(0o644)
        (folder / "forward").chmod(0o755)
        folder.chmod(0o711)
        yield folder


def _strongest() -> Boundary:
    from treadle.tools.sandbox.boundaries import strongest_boundary
    from treadle.tools.sandbox.contract import SandboxPolicy

    return strongest_boundary(SandboxPolicy())


def _visible_command(name: str, transport: StdioTransport) -> str:
    """The command as it is found inside. Raises ToolError (`mcp_unreachable`)."""
    found = shutil.which(transport.command)
    if found is None:
        raise ToolError(
            "mcp_unreachable", f"MCP server '{name}': there is no program '{transport.command}'"
        )
    # A link is followed inside as well: both ends have to be there.
    ends = {Path(found).absolute(), Path(found).resolve()}
    own = (Path("/usr"), Path("/bin"), Path(sys.base_prefix))
    folders = (*own, *transport.read, *transport.write)
    hidden = [each for each in ends if not any(each.is_relative_to(one) for one in folders)]
    if hidden:
        raise ToolError(
            "mcp_unreachable",
            f"MCP server '{name}': the sandbox does not show {hidden[0]}; grant the folder that it "
            f"needs with --read, or use a program of /usr",
        )
    return found


def _existing(name: str, folder: Path) -> Path:
    if not folder.is_absolute() or not folder.exists():
        raise ToolError(
            "mcp_unreachable",
            f"MCP server '{name}': it is granted {folder}, which is no absolute path to something",
        )
    return folder
