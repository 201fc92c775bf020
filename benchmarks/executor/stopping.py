"""What is measured of runs that are cancelled, or that wait; runs in Treadle's worker."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil

from treadle import Plan, Runtime, Tool, tool
from treadle.core.events import StepFinished, StepStarted
from treadle.testing import ScriptedModel

FOR_EVER = 3600.0


@tool
async def pause(seconds: float) -> None:
    """Wait on the loop."""
    await asyncio.sleep(seconds)


@tool
def block(seconds: float) -> Iterator[int]:
    """Wait in a thread, as code does that looks around now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
        yield 0


@tool
async def spawn(seconds: float) -> None:
    """Wait for another process."""
    code = f"import time; time.sleep({seconds})"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        await process.wait()
    finally:
        process.kill()
        await process.wait()


@tool
async def drip(seconds: float) -> AsyncIterator[int]:
    """Give numbers, slowly."""
    for number in range(int(seconds / 0.05)):
        yield number
        await asyncio.sleep(0.05)


@tool(effect="write")
async def change(seconds: float) -> None:
    """Change something, after a while."""
    await asyncio.sleep(seconds)


def _plan(name: str, count: int = 4) -> Plan:
    steps = [
        {"id": f"s{number}", "tool": name, "args": {"seconds": FOR_EVER}} for number in range(count)
    ]
    return Plan.from_wire({"steps": steps})


@asynccontextmanager
async def _runtime(*more: Tool) -> AsyncIterator[Runtime]:
    tools = [pause, block, spawn, drip, change, *more]
    async with Runtime(model=ScriptedModel([]), tools=tools, builtins=False) as runtime:
        yield runtime


async def cancellation(kind: str) -> dict[str, float]:
    """Seconds from the cancellation of a run of four steps to its end, and what is left then."""
    before = _alive()
    async with _runtime() as inner:
        nested = inner.as_tool("nested", "Wait in a run of its own.", plan=_plan("pause"))
        async with _runtime(nested) as runtime:
            plan = _plan(kind)
            if kind == "nested":
                plan = Plan.from_wire({"steps": [{"id": "s", "tool": "nested", "args": {}}]})
            async with runtime.stream(plan) as run:
                async for event in run:
                    if isinstance(event, StepStarted):
                        break
                await asyncio.sleep(0.3)  # so that every step is in the middle of its work
                started = time.perf_counter()
                run.cancel()
                await run.ended()
                seconds = time.perf_counter() - started
            assert run.result.status == "cancelled", run.result
            await asyncio.sleep(0.2)
    left = _alive()
    return {"seconds": seconds, **{name: max(0, left[name] - before[name]) for name in left}}


def _alive() -> dict[str, float]:
    names = [thread.name for thread in threading.enumerate()]
    return {
        "tasks": len(asyncio.all_tasks()),
        # Threads that wait for their next call are there for whoever comes.
        "threads": sum(name != "treadle-call" for name in names),
        "processes": len(psutil.Process().children(recursive=True)),
    }


async def pending_approval(steps: int, seconds: float) -> dict[str, float]:
    """Seconds of a chain beside a branch that waits for a person, over its critical path."""
    chain = [
        {
            "id": f"s{number}",
            "tool": "pause",
            "args": {"seconds": seconds},
            "after": [f"s{number - 1}"] if number else [],
        }
        for number in range(steps)
    ]
    waiting = {"id": "w", "tool": "change", "args": {"seconds": seconds}}
    async with _runtime() as runtime:
        result = await runtime.run(Plan.from_wire({"steps": [waiting, *chain]}))
    assert result.status == "waiting", result
    ended = [each.at for each in result.events if isinstance(each, StepFinished)]
    begun = next(each.at for each in result.events if isinstance(each, StepStarted))
    assert len(ended) == steps + 1
    return {"stretch": (sorted(ended)[steps - 1] - begun) / (steps * seconds)}
