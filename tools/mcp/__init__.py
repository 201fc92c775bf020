"""Tools from MCP servers: pinned, scanned, sandboxed, and never trusted further than granted."""

from treadle.tools.mcp.changes import Change
from treadle.tools.mcp.config import HttpTransport, McpServer, MemoryTransport, StdioTransport
from treadle.tools.mcp.config_file import load_servers, remove_server, save_server
from treadle.tools.mcp.judging import ServerReport
from treadle.tools.mcp.pins import MemoryPins, PinFile, PinStore, ServerPin
from treadle.tools.mcp.scan import Finding, Severity
from treadle.tools.mcp.servers import McpServers, trust_on_first_use

__all__ = [
    "Change",
    "Finding",
    "HttpTransport",
    "McpServer",
    "McpServers",
    "MemoryPins",
    "MemoryTransport",
    "PinFile",
    "PinStore",
    "ServerPin",
    "ServerReport",
    "Severity",
    "StdioTransport",
    "load_servers",
    "remove_server",
    "save_server",
    "trust_on_first_use",
]
