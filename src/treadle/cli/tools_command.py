"""`treadle tools`: what plans may call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.options import CommonOptions, make_runtime
from treadle.cli.output import print_json, write_stdout
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.tools.registry import ToolRegistry


async def show_tools(options: CommonOptions) -> int:
    """Print every tool with its effect and what it does."""
    async with make_runtime(options) as runtime:
        tools = runtime.tools
    if options.json:
        print_json(tools_document(tools))
    else:
        write_stdout(tools_text(tools))
    return 0


def tools_document(tools: ToolRegistry) -> JsonValue:
    """The tools as `--json` prints them."""
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "effect": tool.effect.value,
            "parameters": dict(tool.parameters),
            "returns": dict(tool.returns),
        }
        for tool in tools.values()
    ]


def tools_text(tools: ToolRegistry) -> str:
    """The tools as a table for people."""
    width = max((len(name) for name in tools), default=0)
    lines = [
        f"{tool.name:{width}}  {tool.effect.value:12}  "
        f"{one_line(tool.description.partition(chr(10))[0], 100)}"
        for tool in tools.values()
    ]
    return "\n".join(lines) + "\n"
