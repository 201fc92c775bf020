"""Agents, workflows, tools and Runtimes as tools of an MCP server."""

from treadle.mcp_server.exposed import Exposed, exposed_by
from treadle.mcp_server.http import HttpAccess, http_app, serve_http
from treadle.mcp_server.server import make_server
from treadle.mcp_server.stdio import serve_stdio

__all__ = [
    "Exposed",
    "HttpAccess",
    "exposed_by",
    "http_app",
    "make_server",
    "serve_http",
    "serve_stdio",
]
