"""What a snippet of code mode costs: the round trip of a call, and a snippet from start to end.

Both sides of each comparison run in one process, interleaved; medians. No model, no seed: nothing
here is random. The bare await is the same tool called by Python itself.

    python benchmarks/code_mode.py
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable
from time import perf_counter

from treadle.core.json_value import JsonValue
from treadle.tools import tool
from treadle.tools.codemode import CodeMode, CodeModeLimits, stubs_of

CALLS = 500


@tool(effect="pure")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def _call(name: str, arguments: dict[str, JsonValue]) -> JsonValue:
    return await add.call(arguments)


SEQUENTIAL = f"n = 0\nfor i in range({CALLS}): n = await add(n, 1)\nn"
TOGETHER = f"import asyncio\nlen(await asyncio.gather(*[add(i, 1) for i in range({CALLS})]))"


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    started = perf_counter()
    await work()
    return perf_counter() - started


async def _bare() -> None:
    for number in range(CALLS):
        await add.call({"a": number, "b": 1})


async def measure(rounds: int) -> list[tuple[str, float]]:
    """Microseconds by what was measured."""
    limits = CodeModeLimits(calls=2 * CALLS)
    started = perf_counter()
    async with CodeMode(stubs_of([add]), _call, limits=limits) as mode:
        await mode.run("1")
        first = perf_counter() - started
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, work in (
                ("empty", lambda: mode.run("1")),
                ("one", lambda: mode.run("await add(1, 2)")),
                ("sequential", lambda: mode.run(SEQUENTIAL)),
                ("together", lambda: mode.run(TOGETHER)),
                ("bare", _bare),
            ):
                times.setdefault(name, []).append(await _seconds(work))
    median = {name: statistics.median(each) for name, each in times.items()}
    micro = 1e6
    return [
        ("first snippet, interpreter started", first * micro),
        ("snippet without a call", median["empty"] * micro),
        ("snippet with one call", median["one"] * micro),
        ("call, one after the other", (median["sequential"] - median["empty"]) / CALLS * micro),
        ("call, awaited together", (median["together"] - median["empty"]) / CALLS * micro),
        ("the same call without a snippet", median["bare"] / CALLS * micro),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{'':40} {'microseconds':>14}")
    for name, value in asyncio.run(measure(rounds)):
        print(f"{name:40} {value:14,.0f}")


if __name__ == "__main__":
    main()
