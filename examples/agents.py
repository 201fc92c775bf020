"""Agents as steps of a plan: a supervisor plans over them as it does over tools.

    python examples/agents.py

No key is needed: the replies of the models are scripted here, and the calls are real. Leave
`model=` out to use the model that is configured.
"""

import asyncio
from pathlib import Path

from treadle import Agent, Runtime, tool
from treadle.core.chat import ToolCall
from treadle.testing import ScriptedModel, ToolCalls

WORKSPACE = Path(__file__).parent / "workspace"


@tool(effect="read")
def note(name: str) -> str:
    """Read a note on the mill: looms, shifts or safety."""
    return (WORKSPACE / "docs" / f"{Path(name).name}.md").read_text("utf-8")


reader = Agent(
    "reader",
    "You read notes and answer from them alone.",
    tools=[note],
    model=ScriptedModel(
        [
            ToolCalls([ToolCall("call-1", "note", '{"name": "shifts"}')]),
            "The day shift runs nine looms, the night shift four.",
        ]
    ),
)

writer = Agent(
    "writer",
    "You turn facts into one plain sentence.",
    model=ScriptedModel(["By day nine looms run, by night four."]),
)

supervisor = ScriptedModel(
    [
        {
            "steps": [
                {"id": "facts", "tool": "reader", "args": {"task": "How many looms run when?"}},
                {"id": "text", "tool": "writer", "args": {"task": "Write it down: ${facts}"}},
            ],
            "answer": "${text}",
        }
    ]
)


async def main() -> None:
    """Run one task and show who did what."""
    async with Runtime(model=supervisor, tools=[reader, writer], builtins=False) as runtime:
        result = await runtime.run("How many looms run by day and by night?")
    for done in result.steps:
        print(f"{done.id} ({done.tool}): {done.output}")
    print(result.answer)


if __name__ == "__main__":
    asyncio.run(main())
