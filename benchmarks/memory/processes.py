"""Many processes that write to one file at once: what fails, and what is there afterwards."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.memory import ours
from benchmarks.memory.options import Options
from benchmarks.memory.table import Row, Table

_PROCESSES = 8
_WRITES = 1_000


def processes(options: Options) -> Table:
    """Fill the table: one row."""
    table = Table(
        f"{_PROCESSES} processes, {_WRITES:,} writes each, one SQLite file",
        ("failed", "kept", "seconds"),
    )
    table.begin()
    with tempfile.TemporaryDirectory(prefix="bench-processes-", dir=options.folder) as name:
        path = Path(name) / "memory.db"
        url = f"sqlite:///{path}"
        start = time.perf_counter()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
            running = [
                pool.submit(ours.write_as_one_of_many, each, _WRITES, url)
                for each in range(_PROCESSES)
            ]
            failed = sum((Counter(each.result()) for each in running), Counter[str]())
        seconds = time.perf_counter() - start
        kept = ours.episodes_in(path)
    wanted = _PROCESSES * _WRITES
    note = ", ".join(f"{code}: {count}" for code, count in failed.items())
    verdict = "ok" if kept == wanted and not failed else f"SHORT {note}"
    figures = (str(failed.total()), f"{kept:,}", f"{seconds:.1f}")
    table.add(Row("ours", figures, f"target 0 failed, {wanted:,} kept: {verdict}"))
    return table
