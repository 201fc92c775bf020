"""What a step costs, beside bare asyncio and beside other engines.

One table: CPU time per step as the main figure (`time.process_time`, all threads), medians of
interleaved runs, one process per side. A peer that is not installed is named as such and left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from benchmarks.executor import per_step, scale, schedule
from benchmarks.executor.process import Workers
from benchmarks.executor.side import NotAvailable
from benchmarks.executor.table import HEADER, Row, line, missing

SECTIONS: dict[str, Callable[[Workers, int, int], Iterator[Row]]] = {
    "memory": per_step.in_memory,
    "journal": per_step.journaled,
    "sleeping": per_step.sleeping,
    "command": scale.command,
    "linearity": per_step.linearity,
    "memory-use": scale.memory,
    "makespan": schedule.makespan,
    "barriers": schedule.barriers,
    "cancellation": schedule.cancellation,
    "for_each": scale.for_each,
    "concurrent": scale.concurrent,
}
PACKAGES = ("treadle", "langgraph", "langgraph-checkpoint-sqlite", "pydantic-graph", "dbos")


def main() -> int:
    """Print the table; 0 whatever it says, for speed decides nothing here."""
    options = _options()
    runs = 3 if options.quick else options.runs
    rows: list[Row] = []
    if not options.json:
        print(_setting(runs, options.seed))
        print(HEADER)
    with Workers() as workers:
        for name in options.only or SECTIONS:
            if not options.json:
                print(f"-- {name}: {_first_line(SECTIONS[name])}", flush=True)
            for row in _rows(name, workers, runs, options.seed):
                rows.append(row)
                if not options.json:
                    print(line(row), flush=True)
    if options.json:
        print(json.dumps({"seed": options.seed, "runs": runs, "rows": [*map(asdict, rows)]}))
    else:
        counts = {
            each: sum(row.verdict == each for row in rows)
            for each in ("ok", "short", "not available")
        }
        print(", ".join(f"{count} {each}" for each, count in counts.items()))
    return 0


def _rows(name: str, workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    try:
        yield from SECTIONS[name](workers, runs, seed)
    except NotAvailable as error:
        yield missing(name, name, str(error))


def _first_line(section: Callable[..., object]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _setting(runs: int, seed: int) -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} NOT INSTALLED")
    python = f"Python {platform.python_version()}"
    return f"seed {seed}, medians of {runs} interleaved runs, {python}; {', '.join(found)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench-executor", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 runs of each")
    parser.add_argument("--runs", type=int, default=9, help="runs of each (default 9)")
    parser.add_argument("--seed", type=int, default=1, help="of the random DAGs (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument(
        "--only", action="append", choices=sorted(SECTIONS), metavar="NAME",
        help=f"one section, may be repeated: {', '.join(SECTIONS)}",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
