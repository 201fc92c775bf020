"""Memory beside that of others: what is found, what writing and recall take, many processes.

One table for each. A side that cannot run here is named, with the reason. Nothing goes to a network
but setting up mem0's environment, once. Speed depends on what else the machine does: the load
average stands with the tables.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from benchmarks.memory.latency import latency
from benchmarks.memory.options import Options, parsed
from benchmarks.memory.processes import processes
from benchmarks.memory.recall import recall
from benchmarks.memory.scripts import TITLES, script
from benchmarks.memory.table import Table
from benchmarks.memory.writes import writes

SECTIONS: dict[str, Callable[[Options], Table]] = {
    "recall": recall,
    "writes": writes,
    "latency": latency,
    "processes": processes,
}
_PACKAGES = ("treadle", "langgraph", "langgraph-checkpoint-sqlite", "langgraph-checkpoint-postgres")


def main() -> int:
    """Print the tables; 0 whatever they say, for speed decides nothing here."""
    options = parsed((__doc__ or "").split("\n")[0])
    print(_setting(options))
    for name in options.only:
        before = _load()
        if name in TITLES:
            script(name)
        else:
            SECTIONS[name](options)
        print(f"{'':38}load average {before} before, {_load()} after", flush=True)
    return 0


def _setting(options: Options) -> str:
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} NOT INSTALLED")
    return f"seed {options.seed}, {os.cpu_count()} cores; {', '.join(found)}"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
