"""What is measured of Treadle alone; runs in its worker. Each function returns plain numbers."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
import tracemalloc
from pathlib import Path

import psutil
from benchmarks.executor import ours
from benchmarks.executor.shapes import Shape, build
from benchmarks.executor.side import COUNT, step

from treadle import Plan, RunResult
from treadle.core.json_value import JsonValue


def _done(result: RunResult) -> RunResult:
    assert result.status == "succeeded", f"{result.status}: {result.error}"
    return result


async def memory(shape: dict[str, object], database: bool) -> dict[str, float]:
    """Bytes per finished step: held by the result, and at the peak of the run (tracemalloc)."""
    dag = build(Shape(**shape))  # type: ignore[arg-type]
    plan = ours.plan_of(dag)
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as folder:
        path = Path(folder) / "treadle.db" if database else None
        async with ours.runtime(8, path) as runtime:
            _done(await runtime.run(plan))
            gc.collect()
            rss = psutil.Process().memory_info().rss
            tracemalloc.start()
            result = _done(await runtime.run(plan))
            gc.collect()
            held, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            rss = psutil.Process().memory_info().rss - rss
            assert len(result.steps) == len(dag)
    return {"held": held / len(dag), "peak": peak / len(dag), "rss": rss / len(dag)}


async def for_each(items: int, seconds: float, width: int) -> dict[str, float]:
    """Seconds of a fan-out over `items`, and of a pool of `width` bare asyncio tasks doing it."""
    waits: list[JsonValue] = [seconds] * items
    fan_out: dict[str, JsonValue] = {
        "id": "all",
        "tool": "pause",
        "args": {"seconds": "${item}"},
        "for_each": waits,
    }
    plan = Plan.from_wire({"steps": [fan_out], "answer": "done"})
    async with ours.runtime(width) as runtime:
        COUNT.done = 0
        started, cpu = time.perf_counter(), time.process_time()
        _done(await runtime.run(plan))
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert COUNT.done == items
    waiting = iter([seconds] * items)

    async def pool() -> None:
        for each in waiting:
            await step(each)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(pool())
    return {"wall": wall, "cpu": cpu, "pool": time.perf_counter() - started}


async def concurrent(runs: int, steps: int, seconds: float, database: bool) -> dict[str, float]:
    """Seconds of the slowest and of the mean run, and what the process weighs meanwhile."""
    plan = ours.plan_of(build(Shape("chain", steps, seconds)))
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as folder:
        path = Path(folder) / "treadle.db" if database else None
        async with ours.runtime(8, path) as runtime:
            _done(await runtime.run(plan))
            before = psutil.Process().memory_info().rss

            async def one() -> float:
                started = time.perf_counter()
                _done(await runtime.run(plan))
                return time.perf_counter() - started

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one()) for _ in range(runs)]
            rss = psutil.Process().memory_info().rss
    times = [task.result() for task in tasks]
    return {
        "slowest": max(times),
        "mean": sum(times) / runs,
        "rss": rss,
        "grown": rss - before,
    }
