"""The only way out for a server in a sandbox: a proxy that knows what it was granted."""

from treadle.tools.mcp.network.proxy import HostProxy

__all__ = ["HostProxy"]
