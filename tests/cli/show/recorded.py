"""Events of real runs."""

import asyncio
from collections.abc import Sequence
from typing import Any

from treadle import Plan, RunResult, Runtime, Tool, tool
from treadle.core.events import Event
from treadle.testing import ScriptedModel

HOSTILE = "</script><script>alert(1)</script>\x1b[31m\u202e<img src=x onerror=alert(2)>\x9b"


@tool(effect="pure")
async def give(value: Any = None) -> Any:
    """Give it back."""
    return value


@tool(effect="pure")
async def turn(times: int = 1) -> int:
    """Let others run."""
    for _ in range(times):
        await asyncio.sleep(0)
    return times


@tool(effect="pure")
async def fail(reason: str = "no") -> str:
    """Fail."""
    raise ValueError(reason)


@tool(effect="write")
async def write(to: str) -> str:
    """Change something."""
    return f"wrote {to}"


TOOLS: tuple[Tool, ...] = (give, turn, fail, write)


def step(id: str, tool: str = "give", **fields: Any) -> dict[str, Any]:
    return {"id": id, "tool": tool, "args": fields.pop("args", {}), **fields}


async def run_plan(*steps: dict[str, Any], answer: Any = None, **options: Any) -> RunResult:
    document: dict[str, Any] = {"steps": list(steps)}
    if answer is not None:
        document["answer"] = answer
    async with Runtime(builtins=False, model=ScriptedModel([]), tools=TOOLS, **options) as runtime:
        return await runtime.run(Plan.from_wire(document))


async def events_of(*steps: dict[str, Any], answer: Any = None) -> Sequence[Event]:
    return (await run_plan(*steps, answer=answer)).events


MIXED = (
    step("a", args={"value": HOSTILE}),
    step("b", args={"value": "${a}"}, note=HOSTILE),
    step("c", "turn", args={"times": 20}, after=["a"]),
    step("d", args={"value": ["${b}", "${c}"]}),
    step("e", "fail", args={"reason": HOSTILE}, after=["c"], retry={"attempts": 2, "delay": 0.01}),
    step("f", after=["e"]),
    step("g", args={"value": "${item}"}, for_each=[1, 2, 3]),
)
"""Every kind of ending but waiting: succeeded, failed after a retry, skipped, fan-out."""
