"""How long recall takes among many items, without embedding; others at sizes they can take."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.memory import langgraph_peer, mem0_peer, ours
from benchmarks.memory.disk import kind_of
from benchmarks.memory.fill import fill
from benchmarks.memory.isolated import alone
from benchmarks.memory.options import Options
from benchmarks.memory.stopwatch import COLUMNS, Stopwatch
from benchmarks.memory.table import NotAvailable, Row, Table, against
from benchmarks.memory.workload import Load

_NAMESPACE_MS = 20.0
_STORE_MS = 60.0
_OF_LANGGRAPH = 10_000
_OF_MEM0 = 2_000
_ASKED_OF_OTHERS = 50
_MANY = 2_000
"""Items through `remember_many`, to tell how long filling takes the usual way."""


def latency(options: Options) -> Table:
    """Fill the table, row by row."""
    table = Table(
        f"recall of 10, ms, files on {kind_of(options.folder)}; found: the note that the question's"
        " words were taken from is among the 10",
        ("items", *COLUMNS, "found"),
    )
    table.begin()
    load = Load(options.items, options.asked, options.seed)
    with tempfile.TemporaryDirectory(prefix="bench-latency-", dir=options.folder) as name:
        folder = Path(name)
        _ours(table, load, folder, 1, vectors=True)
        if options.spaces > 1:
            _ours(table, load, folder, options.spaces, vectors=False)
        url = f"sqlite:///{folder}/many.db"
        rate = alone(ours.remember_many_rate, load, url, min(_MANY, load.items))
        table.add(Row("ours, remember_many", note=f"{rate:,.0f} items a second, 200 at once"))
        smaller = replace(load, asked=_ASKED_OF_OTHERS)
        for kind in langgraph_peer.KINDS:
            part = replace(smaller, items=min(load.items, _OF_LANGGRAPH))
            own = folder / kind
            own.mkdir()
            _theirs(
                table,
                f"LangGraph {kind}, cosine",
                part,
                partial(_langgraph, kind, part, own),
            )
        part = replace(smaller, items=min(load.items, _OF_MEM0))
        own = folder / "mem0"
        own.mkdir()
        _theirs(table, mem0_peer.REQUIREMENT, part, partial(mem0_peer.search_times, part, own))
    return table


def _ours(table: Table, load: Load, folder: Path, spaces: int, *, vectors: bool) -> None:
    path = folder / f"memory-{spaces}.db"
    filled = alone(fill, path, load, spaces, vectors)
    url, items = f"sqlite:///{path}", load.items * spaces
    size = path.stat().st_size / 1e6
    limit = _NAMESPACE_MS if spaces == 1 else _STORE_MS
    where = "in a namespace" if spaces == 1 else f"in {spaces} namespaces"
    variants = [(False, False), (False, True)] + ([(True, False)] if vectors else [])
    for dense, note in variants:
        times, found = alone(ours.recall_times, load, url, spaces, dense, note)
        name = f"ours {where}{', vectors' if dense else ''}{', noted' if note else ''}"
        told = "p95 " + against(times.p95, limit, "ms")
        if not dense and not note:
            told += f"; filled in {filled:.0f} s, {size:,.0f} MB"
        table.add(Row(name, (f"{items:,}", *times.figures(), f"{found:.2f}"), told))
    path.unlink()


def _langgraph(kind: str, load: Load, folder: Path) -> tuple[Stopwatch, float]:
    return alone(langgraph_peer.search_times, kind, load, folder)


def _theirs(
    table: Table, name: str, load: Load, measure: Callable[[], tuple[Stopwatch, float]]
) -> None:
    try:
        times, filled = measure()
    except NotAvailable as error:
        table.add(Row(name, note=f"not available: {error}"))
        return
    figures = (f"{load.items:,}", *times.figures(), "-")
    table.add(Row(name, figures, f"filled in {filled:.0f} s; random vectors"))
