"""Tools, plans and runs that the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from treadle import Runtime, tool
from treadle.core.errors import ToolError
from treadle.core.events import Event, RunFinished, StepFinished, StepPlanned
from treadle.executor import RunResult
from treadle.testing import ScriptedModel
from treadle.tools import Tool

SECONDS = 10
"""Generous: means that it does not hang."""


@tool(effect="pure")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def boom() -> int:
    """Fail."""
    raise ToolError("broken", "it broke")


@tool(effect="irreversible")
async def mail(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"


TOOLS: list[Tool] = [add, boom, mail]


class Forever:
    """A tool that never ends by itself, and says when it has started."""

    def __init__(self) -> None:
        self.started = asyncio.Event()

        @tool
        async def forever() -> str:
            """Never end."""
            self.started.set()
            await asyncio.Event().wait()
            return ""

        self.tool = forever


def step(step_id: str, name: str, **args: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": name, "args": args}


def plan(*steps: dict[str, Any], answer: Any = None) -> dict[str, Any]:
    document: dict[str, Any] = {"steps": list(steps)}
    if answer is not None:
        document["answer"] = answer
    return document


SUM = plan(step("a", "add", a=1, b=2), step("b", "add", a="${a}", b=2), answer="it is ${b}")


@asynccontextmanager
async def runtime(
    replies: Iterable[Any] | Callable[..., Any], tools: Iterable[Any] = TOOLS, **options: Any
) -> AsyncIterator[Runtime]:
    """A Runtime whose model replays `replies`; its end is bounded."""
    model = options.pop("model", None) or ScriptedModel(replies)
    opened = Runtime(model=model, tools=tools, builtins=False, **options)
    try:
        yield opened
    finally:
        async with asyncio.timeout(SECONDS):
            await opened.aclose()


def check_record(result: RunResult) -> None:
    """What holds of every complete record of a run."""
    check_events(result.events)


def check_events(events: Iterable[Event]) -> None:
    kept = list(events)
    assert [event.seq for event in kept] == list(range(len(kept)))
    assert [isinstance(event, RunFinished) for event in kept].index(True) == len(kept) - 1
    ended = [event.step_id for event in kept if isinstance(event, StepFinished)]
    assert len(ended) == len(set(ended))
    assert set(ended) <= {event.step_id for event in kept if isinstance(event, StepPlanned)}
