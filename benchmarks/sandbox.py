"""What a trivial snippet costs in the sandbox, cold and warm, beside `python -I` without any.

All sides run interleaved in one process, on two cores: one call at a time with a pause after each
(idle), then 8 at once without pauses. Milliseconds from the call to the result; executions per
second from the 8 at once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from treadle.tools.sandbox.boundaries import strongest_runner
from treadle.tools.sandbox.contract import SandboxLimits, SandboxPolicy
from treadle.tools.sandbox.execution import ColdRunner, Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.sessions import open_session
from treadle.tools.sandbox.warm import WarmPool

CODE = "6 * 7"
AT_ONCE = 8
CORES = 2
PAUSE_SECONDS = 0.02

Call = Callable[[], Awaitable[None]]


@dataclass
class Side:
    """One way to run the snippet, and what was measured of it, in seconds."""

    name: str
    call: Call
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    busy_seconds: float = 0.0


async def plain() -> None:
    """The same snippet in a Python of its own, with no boundary at all."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", f"print({CODE})", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output == b"42\n"


async def measured(call: Call, into: list[float]) -> None:
    """One call, timed."""
    started = time.perf_counter()
    await call()
    into.append(time.perf_counter() - started)


async def all_idle(sides: list[Side], runs: int) -> None:
    """One after the other, the sides interleaved."""
    for _ in range(runs):
        for side in sides:
            await measured(side.call, side.idle)
            await asyncio.sleep(PAUSE_SECONDS)


async def all_busy(sides: list[Side], rounds: int, calls: int) -> None:
    """`AT_ONCE` tasks of `calls` calls each; the sides take turns."""

    async def several(side: Side) -> None:
        for _ in range(calls):
            await measured(side.call, side.busy)

    for _ in range(rounds):
        for side in sides:
            started = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(several(side))
            side.busy_seconds += time.perf_counter() - started


def percentiles(seconds: list[float]) -> list[str]:
    """p50, p90, p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return [f"{1000 * cuts[each - 1]:.1f}" for each in (50, 90, 99)]


def table(sides: list[Side], level: str) -> Table:
    """Everything that was measured."""
    made = Table(title=f"a trivial snippet of Python, level '{level}', {CORES} cores (ms)")
    made.add_column("")
    for title in ("idle p50", "p90", "p99", f"{AT_ONCE} at once p50", "p90", "p99", "per second"):
        made.add_column(title, justify="right")
    for side in sides:
        busy = percentiles(side.busy) if side.busy else ["", "", ""]
        rate = f"{len(side.busy) / side.busy_seconds:.0f}" if side.busy else ""
        made.add_row(side.name, *percentiles(side.idle), *busy, rate)
    return made


async def measure(runs: int, rounds: int) -> tuple[list[Side], str]:
    """All sides, measured; and the level of the sandbox."""
    runner = await strongest_runner(SandboxPolicy())
    assert isinstance(runner, ColdRunner)
    boundary = runner.boundary
    pool = WarmPool(boundary)
    job = Job(CODE, None, {}, WantedFiles(()), SandboxLimits())

    async def cold() -> None:
        assert (await runner.run(job)).value == 42

    async def warm() -> None:
        assert (await pool.run(CODE)).value == 42

    async with await open_session("python", boundary) as session:

        async def call() -> None:
            assert (await session.run(CODE)).value == 42

        sides = [
            Side("python -I, no sandbox", plain),
            Side("sandbox, cold", cold),
            Side("sandbox, warm", warm),
        ]
        kept = Side("session, one call", call)
        for side in (*sides, kept):
            await side.call()
        await all_idle([*sides, kept], runs)
        await all_busy(sides, rounds, calls=10)
    await pool.close()
    return [*sides, kept], str(boundary.level)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="idle calls of each side")
    parser.add_argument("--rounds", type=int, default=4, help="of 80 calls of each side, 8 at once")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    sides, level = asyncio.run(measure(given.runs, given.rounds))
    Console(width=110).print(table(sides, level))


if __name__ == "__main__":
    main()
