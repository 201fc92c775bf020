"""One measurement: CPU and wall time of a run, beside what it left on disk."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks.executor.shapes import Shape, build
from benchmarks.executor.side import COUNT, Side


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run took: seconds of CPU (all threads) and of the wall.

    disk, written: bytes left in files, and bytes handed to the system for writing.
    rss: resident bytes of the process after the run.
    """

    steps: int
    cpu: float
    wall: float
    disk: int = 0
    written: int = 0
    rss: int = 0

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU per step."""
        return self.cpu / self.steps * 1e6

    @property
    def wall_us(self) -> float:
        """Microseconds of the wall per step."""
        return self.wall / self.steps * 1e6


async def measure(side: Side, variant: str, shape: Shape, width: int | None = None) -> Sample:
    """Run `shape` once on `side` in a folder of its own.

    Raises NotAvailable, and AssertionError where the side has not run every step.
    """
    dag = build(shape)
    process = psutil.Process()
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as name:
        folder = Path(name)
        async with side.ready(variant, dag, folder, width) as run:
            gc.collect()
            before, COUNT.done = _bytes(folder), 0
            written = process.io_counters().write_chars
            wall, cpu = time.perf_counter(), time.process_time()
            await run()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            written = process.io_counters().write_chars - written
            done, rss = COUNT.done, process.memory_info().rss
        # After the end: by then a write-ahead log has become part of its database.
        disk = _bytes(folder) - before
    if done != len(dag):
        raise AssertionError(f"{done} of {len(dag)} steps have run")
    return Sample(len(dag), cpu, wall, disk, written, rss)


def median(samples: Iterable[Sample]) -> Sample:
    """The median of each figure."""
    taken = list(samples)
    return Sample(
        taken[0].steps,
        statistics.median(each.cpu for each in taken),
        statistics.median(each.wall for each in taken),
        round(statistics.median(each.disk for each in taken)),
        round(statistics.median(each.written for each in taken)),
        round(statistics.median(each.rss for each in taken)),
    )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
