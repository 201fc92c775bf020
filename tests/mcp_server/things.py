"""What the tests serve: tools, workflows, an agent."""

from __future__ import annotations

import asyncio

from treadle import Agent, tool, workflow
from treadle.testing import ScriptedModel

print("noise at import")

sent: list[str] = []
started: list[str] = []
stopped: list[str] = []


@tool(effect="pure")
async def double(n: int) -> int:
    """Double a number."""
    print("noise in a call")
    return 2 * n


@tool(effect="irreversible")
async def send(to: str) -> str:
    """Send a letter."""
    sent.append(to)
    return f"sent to {to}"


@tool
async def nap(seconds: float) -> str:
    """Sleep."""
    started.append("nap")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        stopped.append("nap")
        raise
    return "slept"


@tool
async def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


@workflow
def twice(n: int, label: str = "got") -> str:
    """Double twice.

    Args:
        n: The number to begin with.
    """
    return f"{label} {double(double(n))}"


@workflow
def post(to: str) -> str:
    """Post a letter."""
    return send(to)


@workflow
def broken() -> str:
    """Fail in the middle."""
    return fail(why="for a reason")


@workflow
def rest(seconds: float) -> str:
    """Sleep."""
    return nap(seconds)


writer = Agent("writer", "You write.", model=ScriptedModel(lambda request: "Here it is."))
TOOLS = [double, send, nap, fail]
WORKFLOWS = [twice, post, broken, rest]
NUMBER = 7
