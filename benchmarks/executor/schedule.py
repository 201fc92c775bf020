"""Rows: how long runs take when steps take time, against the bounds that no schedule can beat."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.executor.process import Workers
from benchmarks.executor.shapes import BRANCHES, Shape, build
from benchmarks.executor.side import NotAvailable
from benchmarks.executor.table import Row, at_least, at_most, missing

WIDTH = BRANCHES


def makespan(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """Random DAGs with lognormal durations, and the fan against barriers, at width 4."""
    ratios = []
    for turn in range(max(3, runs)):
        shape = Shape("random", 60, 0.03, seed + turn)
        sample = workers.measure("treadle", "memory", shape, width=WIDTH)
        ratios.append(sample.wall / build(shape).bound(WIDTH))
    note = f" (worst {max(ratios):.3f}, {len(ratios)} DAGs)"
    yield at_most(
        "makespan",
        "random DAGs, width 4: / max(path, work/width)",
        statistics.median(ratios),
        1.05,
        "x",
        note,
    )
    gains = []
    for turn in range(max(3, runs)):
        shape = Shape("fan", 40, 0.03, seed + turn)
        sample = workers.measure("treadle", "memory", shape, width=WIDTH)
        gains.append(build(shape).level_by_level(WIDTH) / sample.wall)
    yield at_least(
        "makespan", "40-node fan: level by level / Treadle", statistics.median(gains), 1.3, "x"
    )


def barriers(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """Chains whose slow steps stand at different levels, and random DAGs, without a width."""
    for size in (2, 4, 8):
        yield from _against(
            workers, f"staggered {size} x {size}", [Shape("staggered", size, 0.4)] * 3
        )
    shapes = [Shape("random", 60, 0.05, seed + turn) for turn in range(max(3, runs // 2))]
    yield from _against(workers, "random 60", shapes)

    found = workers.call("pending_approval", steps=10, seconds=0.1)
    title = "chain beside a branch that waits for a person"
    yield at_most("barriers", title, found["stretch"], 1.03, "x")


def cancellation(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """Seconds from a cancellation to the end of the run; nothing may be left of it."""
    for kind in ("pause", "block", "spawn", "drip", "nested"):
        found = [workers.call("cancellation", kind=kind) for _ in range(min(3, runs))]
        seconds = statistics.median(each["seconds"] for each in found)
        left = {
            name: max(each[name] for each in found) for name in ("tasks", "threads", "processes")
        }
        note = f" (left: {', '.join(f'{int(count)} {name}' for name, count in left.items())})"
        yield at_most("cancellation", f"cancel: {_KINDS[kind]}", seconds, 2.0, " s", note)


_KINDS = {
    "pause": "async",
    "block": "thread",
    "spawn": "subprocess",
    "drip": "stream",
    "nested": "nested run",
}


def _against(workers: Workers, title: str, shapes: list[Shape]) -> Iterator[Row]:
    ours = statistics.median(_stretch(workers, "treadle", shape) for shape in shapes)
    yield at_most("barriers", f"{title}: Treadle / critical path", ours, 1.03, "x")
    try:
        theirs = statistics.median(_stretch(workers, "langgraph", shape) for shape in shapes)
    except NotAvailable as error:
        yield missing("barriers", f"{title}: LangGraph / critical path", str(error))
    else:
        yield Row("barriers", f"{title}: LangGraph / critical path", f"{theirs:.3f}x")


def _stretch(workers: Workers, side: str, shape: Shape) -> float:
    return workers.measure(side, "memory", shape).wall / build(shape).critical_path
