"""How long something takes, and how much of a processor it takes.

Both are told: the first depends on what else the machine does, the second hardly.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stopwatch:
    """Seconds of each time something was done: by the clock, and of CPU, all threads together."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Take down what the block takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)

    def extend(self, other: Stopwatch) -> None:
        """Take in what another has measured."""
        self.wall += other.wall
        self.cpu += other.cpu

    @property
    def p95(self) -> float:
        """By the clock, in milliseconds."""
        return _percentiles(self.wall)[1]

    def figures(self) -> tuple[str, ...]:
        """In milliseconds, for the columns COLUMNS."""
        wall, cpu = _percentiles(self.wall), _percentiles(self.cpu)
        return tuple(f"{each:.2f}" for each in (*wall, *cpu[:2]))


COLUMNS = ("p50", "p95", "p99", "CPU p50", "CPU p95")


def _percentiles(seconds: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return 1000 * cuts[49], 1000 * cuts[94], 1000 * cuts[98]
