"""A server's tool as a tool of the registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from treadle.core.json_value import JsonValue
from treadle.tools.mcp.config import McpServer
from treadle.tools.mcp.definition import ToolDefinition
from treadle.tools.mcp.effects import policy_of
from treadle.tools.mcp.schema import argument_schema, output_schema
from treadle.tools.schema_signature import signature_for
from treadle.tools.tool import Tool

Call: TypeAlias = Callable[[Mapping[str, JsonValue]], Awaitable[JsonValue]]


def made_tool(server: McpServer, definition: ToolDefinition, call: Call) -> Tool:
    """The tool `server.name` that `call` makes the calls of.

    Raises ToolError (`mcp_bad_schema`).
    """
    full = f"{server.name}.{definition.name}"
    output = definition.document.get("outputSchema")
    parameters = argument_schema(full, definition.document.get("inputSchema"))
    returns = {} if output is None else output_schema(full, output)

    async def function(**arguments: Any) -> JsonValue:
        return await call(arguments)

    policy = policy_of(definition.hints, trusted=server.trusted)
    return Tool(
        name=full,
        description=definition.description or definition.name,
        signature=signature_for(parameters, returns),
        function=function,
        is_async=True,
        effect=policy.effect,
        timeout=server.timeout,
        concurrency=server.concurrency,
        open_world=policy.open_world,
        # Whatever a server says is what a stranger says, unless the host vouches for it.
        untrusted=None if server.trusted else True,
        identity=definition.hash,
    )
