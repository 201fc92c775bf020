"""Looking for what does not belong into the texts of MCP servers."""

from treadle.tools.mcp.scan.finding import Finding, Severity
from treadle.tools.mcp.scan.results import Cleaned, clean_result
from treadle.tools.mcp.scan.tools import scan_command, scan_tool

__all__ = ["Cleaned", "Finding", "Severity", "clean_result", "scan_command", "scan_tool"]
