"""Without the SDK."""

import sys
from pathlib import Path

import pytest

from treadle.core.errors import ConfigError
from treadle.tools.mcp import McpServer, McpServers, StdioTransport


async def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)  # what an import of it then says: not found
    started = tmp_path / "started"
    server = McpServer("notes", StdioTransport("/usr/bin/touch", (str(started),), sandbox=False))
    with pytest.raises(ConfigError, match=r"treadle\[mcp\]") as failed:
        async with McpServers([server]):
            pass
    assert failed.value.code == "missing_extra"
    assert not started.exists()
    async with McpServers([]) as none:
        assert none.tools == ()
