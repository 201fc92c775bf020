"""Servers to try: honest ones and malicious ones, in memory and as real processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tools.mcp.programs import PROGRAM, process_server

from treadle.tools.mcp import McpServer


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a process of another uid can read, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="treadle-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "server.py").write_text(PROGRAM, "utf-8")
        yield path


@pytest.fixture
def plain(folder: Path) -> McpServer:
    """The server as a process that may do whatever we may."""
    return process_server(folder, sandbox=False)


@pytest.fixture
def sandboxed() -> None:
    """Skips, and says so, where this machine has no boundary for a server."""
    from treadle.core.errors import ToolError
    from treadle.tools.sandbox.boundaries import strongest_boundary
    from treadle.tools.sandbox.contract import SandboxLevel, SandboxPolicy

    reason = None
    try:
        strongest_boundary(SandboxPolicy(min_level=SandboxLevel.USER))
        if not Path("/usr/bin/bwrap").exists():
            reason = "bubblewrap is not installed"
    except ToolError as error:
        reason = str(error)
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to have a sandbox: {reason}", pytrace=False)
        pytest.skip(f"MCP servers in a sandbox are not tested: {reason}")
