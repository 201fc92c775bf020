"""Rows: memory, large fan-outs, many runs at once, and the whole way through the CLI."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.executor.process import Workers
from benchmarks.executor.shapes import Shape
from benchmarks.executor.side import NotAvailable
from benchmarks.executor.table import Row, at_most, missing

_TOOLS = '''
from treadle import tool

@tool(effect="pure")
async def nothing(number: int) -> int:
    """Do nothing."""
    return number
'''


def memory(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """Bytes per finished step, while the result with all of its events is held."""
    for database in (False, True):
        for name in ("chain", "layered"):
            title = f"{name}, {'SQLite' if database else 'memory'}: bytes per finished step"
            shape = Shape(name, 10_000, seed=seed).as_json()
            try:
                found = workers.call("memory", fresh=True, shape=shape, database=database)
            except NotAvailable as error:
                yield missing("memory use", title, str(error), "<= 4096")
                continue
            note = f" (peak {found['peak']:.0f})"
            yield at_most("memory use", title, found["held"], 4096, "", note)


def for_each(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """10,000 items of 5 ms at width 256, against work/width."""
    items, seconds, width = 10_000, 0.005, 256
    found = [
        workers.call("for_each", items=items, seconds=seconds, width=width)
        for _ in range(max(3, runs))
    ]
    bound = items * seconds / width
    wall = statistics.median(each["wall"] for each in found)
    pool = statistics.median(each["pool"] for each in found)
    cpu = statistics.median(each["cpu"] for each in found) / items * 1e6
    note = f" ({cpu:.1f} us CPU per item)"
    yield at_most("for_each", "10,000 x 5 ms, width 256", wall / bound, 1.2, "x", note)
    yield Row("for_each", "the same: a pool of bare asyncio tasks", f"{pool / bound:.3f}x")


def concurrent(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """500 runs of 20 steps at once."""
    for database in (False, True):
        title = f"500 runs x 20, {'SQLite' if database else 'memory'}: slowest / mean"
        try:
            found = workers.call(
                "concurrent", fresh=True, runs=500, steps=20, seconds=0.01, database=database
            )
        except NotAvailable as error:
            yield missing("concurrent", title, str(error), "<= 2x")
            continue
        note = f" (mean {found['mean']:.2f} s, RSS {found['rss'] / 1e6:.0f} MB)"
        yield at_most("concurrent", title, found["slowest"] / found["mean"], 2.0, "x", note)


def command(workers: Workers, runs: int, seed: int) -> Iterator[Row]:
    """`treadle exec --json` of validated no-ops: CPU per step that is added to a plan."""
    del workers, seed
    few, many = 500, 2500  # both too many for a line per step on stderr
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as name:
        folder = Path(name)
        (folder / "noop_tools.py").write_text(_TOOLS)
        for steps in (few, many):
            document = {
                "steps": [
                    {
                        "id": f"s{number}",
                        "tool": "nothing",
                        "args": {"number": f"${{s{number - 1}}}" if number else 0},
                    }
                    for number in range(steps)
                ],
                "answer": f"${{s{steps - 1}}}",
            }
            (folder / f"{steps}.json").write_text(json.dumps(document))
        taken = []
        for _ in range(max(3, runs // 2)):
            small, large = _exec_cpu(folder, few), _exec_cpu(folder, many)
            taken.append((large - small) / (many - few) * 1e6)
    title = "exec --json: per additional step"
    yield at_most("command", title, statistics.median(taken), 200, " us")


def _exec_cpu(folder: Path, steps: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "TREADLE_DATABASE_URL": f"sqlite:///{folder / 'treadle.db'}"}
    done = subprocess.run(
        [sys.executable, "-m", "treadle", "exec", f"{steps}.json", "--json", "--model", "offline",
         "--tools", "noop_tools:nothing"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise NotAvailable(f"treadle exec FAILED (exit {done.returncode}): {done.stderr[-300:]}")
    assert len(json.loads(done.stdout)["steps"]) == steps
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
