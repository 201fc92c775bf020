"""How long a durable write takes: ours, LangGraph's stores, mem0; on SQLite and on PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.memory import langgraph_peer, mem0_peer, ours
from benchmarks.memory.disk import kind_of
from benchmarks.memory.isolated import alone
from benchmarks.memory.options import Options
from benchmarks.memory.stopwatch import COLUMNS, Stopwatch
from benchmarks.memory.table import NotAvailable, Row, Table, against
from benchmarks.memory.workload import Load

_ROUNDS = 3
"""In turn: what else the machine does then weighs on all sides alike."""

_TARGET_MS = 5.0


def writes(options: Options) -> Table:
    """Fill the table, row by row."""
    each = max(10, options.writes // _ROUNDS)
    texts = _texts(options, each)
    table = Table(
        f"a write, ms: {_ROUNDS} rounds of {each} in turn, files on {kind_of(options.folder)};"
        " LangGraph without vectors, mem0 with one at hand and infer=False",
        COLUMNS,
    )
    table.begin()
    with tempfile.TemporaryDirectory(prefix="bench-writes-", dir=options.folder) as name:
        folder = Path(name)
        sides: dict[str, Callable[[Path], Stopwatch]] = {
            "ours, remember on SQLite": lambda at: alone(
                ours.write_times, texts, f"sqlite:///{at}/memory.db"
            ),
            "LangGraph SqliteStore.put": lambda at: alone(
                langgraph_peer.write_times, "sqlite", texts, at
            ),
            f"{mem0_peer.REQUIREMENT} add": lambda at: mem0_peer.write_times(texts, at),
        }
        _compare(table, folder, sides)
        try:
            with _postgres() as fresh:
                _compare(
                    table,
                    folder,
                    {
                        "ours, remember on PostgreSQL": lambda at: alone(
                            ours.write_times, texts, fresh(at)
                        ),
                        "LangGraph PostgresStore.put": lambda at: alone(
                            langgraph_peer.write_times, "postgres", texts, at, fresh(at)
                        ),
                    },
                )
        except NotAvailable as error:
            table.add(Row("PostgreSQL", note=f"not available: {error}"))
    return table


def _compare(table: Table, folder: Path, sides: dict[str, Callable[[Path], Stopwatch]]) -> None:
    times: dict[str, Stopwatch] = {}
    missing: dict[str, str] = {}
    for turn in range(_ROUNDS):
        for at, (name, measure) in enumerate(sides.items()):
            if name in missing:
                continue
            own = folder / f"{len(table.rows)}-{turn}-{at}"
            own.mkdir()
            try:
                times.setdefault(name, Stopwatch()).extend(measure(own))
            except NotAvailable as error:
                missing[name] = str(error)
    for name in sides:
        if name in missing:
            table.add(Row(name, note=f"not available: {missing[name]}"))
            continue
        note = ""
        if name.startswith("ours"):
            note = "p95 " + against(times[name].p95, _TARGET_MS, "ms")
        table.add(Row(name, times[name].figures(), note))


@contextmanager
def _postgres() -> Iterator[Callable[[Path], str]]:
    """Gives the URL of an empty database for each folder."""
    from tests.postgres import PostgresMissing, PostgresServer

    try:
        server = PostgresServer.start()
    except PostgresMissing as error:
        raise NotAvailable(str(error)) from error
    with ExitStack() as stack:
        stack.callback(server.stop)
        yield lambda _: stack.enter_context(server.fresh_database())


def _texts(options: Options, count: int) -> list[str]:
    load = Load(count, 0, options.seed)
    return [f"{load.text(at)} {at}" for at in range(count)]
