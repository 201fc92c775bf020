"""Streaming a plan into the executor against waiting for the whole plan.

A scripted planner writes a plan of 8 steps at 30 tokens/s (4 characters per token); each step
takes a second. Both sides run in one process, interleaved; medians are printed.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from treadle import RunResult, Runtime, tool
from treadle.core.events import StepStarted
from treadle.testing import ScriptedModel

RUNS = 3
TOKENS_PER_SECOND = 30
STEP_SECONDS = 1.0


@tool(effect="read")
async def look_up(topic: str) -> str:
    """Look a topic up."""
    await asyncio.sleep(STEP_SECONDS)
    return f"about {topic}"


@tool(effect="read")
async def combine(texts: list[str]) -> str:
    """Put texts together."""
    await asyncio.sleep(STEP_SECONDS)
    return " / ".join(texts)


def plan() -> dict[str, object]:
    """Four look-ups, two pairs, one whole, and one look-up more: 8 steps."""
    look_ups = [
        {"id": f"look_{name}", "tool": "look_up", "args": {"topic": name}}
        for name in ("north", "east", "south", "west", "sky")
    ]
    pairs = [
        {"id": "first", "tool": "combine", "args": {"texts": ["${look_north}", "${look_east}"]}},
        {"id": "second", "tool": "combine", "args": {"texts": ["${look_south}", "${look_west}"]}},
    ]
    whole = {"id": "whole", "tool": "combine", "args": {"texts": ["${first}", "${second}"]}}
    return {"steps": [*look_ups, *pairs, whole], "answer": "${whole} and ${look_sky}"}


def first_start(result: RunResult) -> float:
    """When the first tool started, in seconds since 1970."""
    return min(event.at for event in result.events if isinstance(event, StepStarted))


async def measure(streaming: bool) -> tuple[float, float]:
    """Seconds until the first tool starts, and until the answer."""
    model = ScriptedModel([plan()], tokens_per_second=TOKENS_PER_SECOND)
    async with Runtime(model=model, tools=[look_up, combine], builtins=False) as runtime:
        wall, started = time.time(), time.perf_counter()
        task = "Look in all directions."
        result = await runtime.run(task if streaming else await runtime.plan(task))
        seconds = time.perf_counter() - started
    assert result.status == "succeeded", result.error
    return first_start(result) - wall, seconds


async def main() -> None:
    """Print one table."""
    sides: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for _ in range(RUNS):
        for streaming, samples in sides.items():
            samples.append(await measure(streaming))
    medians = {
        side: tuple(statistics.median(each) for each in zip(*samples, strict=True))
        for side, samples in sides.items()
    }
    print(
        f"8 steps of {STEP_SECONDS:g} s, planner at {TOKENS_PER_SECOND} tokens/s, "
        f"medians of {RUNS} interleaved runs"
    )
    print(f"{'':28}{'first tool starts':>20}{'makespan':>12}")
    for side, name in ((True, "streaming"), (False, "waiting for the whole plan")):
        first, makespan = medians[side]
        print(f"{name:28}{first:18.2f} s{makespan:10.2f} s")
    print(
        f"{'ratio':28}{medians[False][0] / medians[True][0]:18.1f}x "
        f"{medians[False][1] / medians[True][1]:9.2f}x"
    )


if __name__ == "__main__":
    asyncio.run(main())
