"""How well the durations of tools are foretold, for programs that were never seen.

Programs are cut into as many parts as --folds says. What is known at the start of a part was
learned from the other parts; while its programs go on, everybody goes on learning. Coverage is the
share of durations that do not exceed the quantile that was foretold: .5, .9 and .99 would be
right. A gap is the time until all tools have ended that a turn has called.

    python benchmarks/durations.py [--trace programs.jsonl.gz] [--seed 4] [--splits 5]

Without --trace the programs are generated: their durations depend on the tool and chance alone and
no argument pattern comes twice, so that only a trace tells whether programs that differ, and
patterns, are foretold well.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from treadle.core.durations import ToolDurations
from treadle.serving.simulator import AgentProgram, ToolRun, generate_programs, read_trace

QUANTILES = (0.5, 0.9, 0.99)
ENOUGH = 100
"""Calls from which on a tool has a row of its own."""

GENERATED = 70
"""Programs, where there is no trace."""


class Estimator(Protocol):
    """What is measured."""

    def observe(self, call: ToolRun) -> None: ...

    def quantile(self, calls: Sequence[ToolRun], q: float) -> float: ...


class Treadle:
    """Ours."""

    def __init__(self) -> None:
        self._durations = ToolDurations()

    def observe(self, call: ToolRun) -> None:
        self._durations.observe(call.tool, call.seconds, call.pattern)

    def quantile(self, calls: Sequence[ToolRun], q: float) -> float:
        return self._durations.gap_quantile([(each.tool, each.pattern) for each in calls], q)


class MovingAverage:
    """A moving mean and variance of the logarithm, and the quantile of a normal distribution."""

    _WEIGHT = 0.2

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, float]] = {}

    def observe(self, call: ToolRun) -> None:
        seen = math.log(max(call.seconds, 1e-6))
        mean, variance = self._known.get(call.tool, (seen, 1.0))
        off = seen - mean
        variance = (1 - self._WEIGHT) * (variance + self._WEIGHT * off * off)
        self._known[call.tool] = mean + self._WEIGHT * off, variance

    def quantile(self, calls: Sequence[ToolRun], q: float) -> float:
        return max(self._of(each.tool, q) for each in calls)

    def _of(self, tool: str, q: float) -> float:
        mean, variance = self._known.get(tool, (0.0, 1.0))
        return math.exp(statistics.NormalDist(mean, math.sqrt(max(variance, 1e-9))).inv_cdf(q))


class ClassEmpirical:
    """All that was seen of the tool, sorted; of all tools where it was not seen."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, list[float]] = defaultdict(list)

    def observe(self, call: ToolRun) -> None:
        insort(self._seen[call.tool], call.seconds)
        insort(self._seen[""], call.seconds)

    def quantile(self, calls: Sequence[ToolRun], q: float) -> float:
        return max(self._of(each.tool, q) for each in calls)

    def _of(self, tool: str, q: float) -> float:
        seen = self._seen.get(tool) or self._seen.get("") or [1.0]
        return seen[min(len(seen) - 1, int(q * len(seen)))]


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "treadle": Treadle,
    "moving average": MovingAverage,
    "class-empirical": ClassEmpirical,
}


class Coverage:
    """How often a duration did not exceed the quantile that was foretold."""

    def __init__(self) -> None:
        self._within: defaultdict[float, int] = defaultdict(int)
        self.count = 0

    def add(self, seconds: float, quantiles: Sequence[float]) -> None:
        """`seconds` came true; `quantiles` were foretold, in the order of QUANTILES."""
        self.count += 1
        for q, foretold in zip(QUANTILES, quantiles, strict=True):
            self._within[q] += seconds <= foretold

    def at(self, q: float) -> float:
        """The share at `q`."""
        return self._within[q] / max(self.count, 1)


Results: TypeAlias = "defaultdict[str, Coverage]"


def measure(
    programs: Sequence[AgentProgram], make: Callable[[], Estimator], folds: int, seed: int
) -> Results:
    """Coverage of calls ("calls"), gaps ("gaps") and single tools, each program held out once."""
    order = list(programs)
    random.Random(seed).shuffle(order)
    results: Results = defaultdict(Coverage)
    for fold in range(folds):
        estimator = make()
        held_out = order[fold::folds]
        for number, program in enumerate(order):
            if number % folds != fold:
                _learn(estimator, program)
        for program in held_out:
            for calls in _gaps(program):
                _judge(estimator, calls, results)
                for call in calls:
                    estimator.observe(call)
    return results


def _gaps(program: AgentProgram) -> Iterator[Sequence[ToolRun]]:
    """The calls of each turn that has any."""
    return (turn.tools for turn in program.turns if turn.tools)


def _learn(estimator: Estimator, program: AgentProgram) -> None:
    for calls in _gaps(program):
        for call in calls:
            estimator.observe(call)


def _judge(estimator: Estimator, calls: Sequence[ToolRun], results: Results) -> None:
    longest = max(call.seconds for call in calls)
    results["gaps"].add(longest, [estimator.quantile(calls, q) for q in QUANTILES])
    for call in calls:
        foretold = [estimator.quantile([call], q) for q in QUANTILES]
        results["calls"].add(call.seconds, foretold)
        results[f"tool {call.tool}"].add(call.seconds, foretold)


def cost(programs: Sequence[AgentProgram]) -> float:
    """Microseconds that ours takes to foretell one gap and learn from one call."""
    estimator = Treadle()
    gaps = [calls for program in programs for calls in _gaps(program)]
    started = time.perf_counter()
    for calls in gaps:
        estimator.quantile(calls, 0.9)
        for call in calls:
            estimator.observe(call)
    return (time.perf_counter() - started) / len(gaps) * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trace", type=Path, help="programs to learn from; generated without")
    parser.add_argument("--seed", type=int, default=4, help="of the first split and the programs")
    parser.add_argument("--splits", type=int, default=5, help="random splits")
    parser.add_argument("--folds", type=int, default=2, help="parts of a split")
    options = parser.parse_args()
    if options.trace is None:
        programs = generate_programs(GENERATED, options.seed)
    else:
        programs = read_trace(options.trace)
    seeds = range(options.seed, options.seed + options.splits)
    print(f"{options.trace or 'generated'}: {len(programs)} programs, seeds {seeds[0]}-{seeds[-1]}")
    print(
        f"{'coverage at':<32}"
        + "".join(f"{f'p{q * 100:.0f} (worst split)':>22}" for q in QUANTILES)
    )
    for name, make in ESTIMATORS.items():
        splits = [measure(programs, make, options.folds, seed) for seed in seeds]
        rows = ["calls", "gaps"]
        if name == "treadle":
            rows += sorted(
                key for key in splits[0] if splits[0][key].count >= ENOUGH and " " in key
            )
        for row in rows:
            print(f"{f'{name}: {row}':<32}" + "".join(_cell(splits, row, q) for q in QUANTILES))
    print(f"foretelling a gap and learning from its calls: {cost(programs):.0f} us")


def _cell(splits: Sequence[Results], row: str, q: float) -> str:
    shares = [split[row].at(q) for split in splits]
    worst = max(shares, key=lambda share: abs(share - q))
    return f"{f'{statistics.mean(shares):.3f} ({worst:.3f})':>22}"


if __name__ == "__main__":
    main()
