"""What a call of a tool costs over awaiting its function: arguments and result checked.

    python benchmarks/tool_calls.py [--rounds N]

Medians over interleaved rounds in one process; no randomness.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from treadle.core.clock import SystemClock
from treadle.executor.calling import ToolCaller
from treadle.tools import Tool, tool
from treadle.tools.importing import tools_from_functions

CALLS = 2_000
"""Calls of each side in one round."""

TARGET = 25.0
"""Microseconds over a bare await for a validated pure call with two arguments."""

Side: TypeAlias = Callable[[], Awaitable[object]]


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def describe(text: str, times: int) -> dict[str, Any]:
    """Give an object."""
    return {"text": text, "times": times, "lines": [text] * 3}


def sides() -> Mapping[str, Side]:
    """What is measured, by what it is called in the table; the first is the bare await."""
    plain = tool(effect="pure")(add)
    objects = tool(effect="pure")(describe)
    checked = tool(
        effect="pure", name="checked", result_size=1_000, verify=lambda result, a, b: result >= a
    )(add)
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    }

    async def by_name(name: str, arguments: dict[str, Any]) -> object:
        return await add(**arguments)

    imported = tools_from_functions([{"name": "add", "parameters": schema}], by_name)["add"]
    caller = ToolCaller(SystemClock())
    two: dict[str, Any] = {"a": 1, "b": 2}
    return {
        "bare await": lambda: add(1, 2),
        "Tool.call, pure, two arguments": _call(plain, two),
        "the same, without a timer": lambda: plain.call(two, timeout=float("inf")),
        "the same, through the Runtime's caller": lambda: caller.call(plain, two),
        "Tool.call, an object comes back": _call(objects, {"text": "x", "times": 3}),
        "Tool.call, bounded and verified": _call(checked, two),
        "Tool.call, arguments of a JSON schema": _call(imported, two),
    }


def _call(called: Tool, arguments: dict[str, Any]) -> Side:
    return lambda: called.call(arguments)


async def measured(rounds: int) -> dict[str, float]:
    """Microseconds for one call of each side, the median of its rounds."""
    every = sides()
    seconds: dict[str, list[float]] = {name: [] for name in every}
    for number in range(rounds + 1):
        for name, side in every.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                await side()
            if number:  # the first is for warming up
                seconds[name].append((time.perf_counter() - started) / CALLS)
    return {name: statistics.median(each) * 1e6 for name, each in seconds.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    found = asyncio.run(measured(parser.parse_args().rounds))
    bare = found.pop("bare await")
    print(f"{'':44}{'us/call':>9}{'over':>9}")
    print(f"{'bare await':44}{bare:9.2f}{'':>9}")
    for name, microseconds in found.items():
        print(f"{name:44}{microseconds:9.2f}{microseconds - bare:9.2f}")
    over = next(iter(found.values())) - bare
    print(f"\ntarget: {TARGET:g} us over a bare await: {'met' if over <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
