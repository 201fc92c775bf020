"""A large store in minutes: rows as `remember` writes them, many to a statement."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from benchmarks.memory.vectors import Prepared, random_vector
from benchmarks.memory.workload import Load

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.embedders.signatures import signatures
from treadle.memory.kinds import Kind
from treadle.memory.lexical_index import KINDS, tokens
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.text import terms
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.normal_form import content_hash, fingerprint

_START = 1_700_000_000.0
_TURNS = 20
"""Of a thread."""

_AT_ONCE = 2_000


def namespace_of(number: int) -> Namespace:
    """The namespaces of the benchmark: `bench/0`, `bench/1` and so on."""
    return Namespace(f"bench/{number}")


def notes(load: Load, count: int) -> list[Draft]:
    """The first notes of a load, as they would be remembered."""
    return [
        Draft(load.text(at), actor=_actor(at), thread=f"talk {at // _TURNS}", occurred_at=_time(at))
        for at in range(count)
    ]


def fill(path: Path, load: Load, spaces: int, vectors: bool) -> float:
    """Put `load` into each of `spaces` namespaces of a new file; the seconds that it took."""
    start = time.perf_counter()
    asyncio.run(_make(path, spaces))
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("pragma synchronous = off")
        numbers = connection.execute("select id from namespace order by id").fetchall()
        for (number,) in numbers:
            connection.execute("begin")
            _fill(connection, number, load, vectors)
            connection.execute("commit")
        connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()
    return time.perf_counter() - start


async def _make(path: Path, spaces: int) -> None:
    database = Database(DatabaseUrl.parse(f"sqlite:///{path}"))
    store = Store(database)
    for at in range(spaces):
        async with store.writing(namespace_of(at)):
            pass
    await database.close()


def _fill(connection: sqlite3.Connection, space: int, load: Load, vectors: bool) -> None:
    (last,) = connection.execute("select coalesce(max(id), 0) from episode").fetchone()
    length = 0
    rows = iter(_rows(space, load, last))
    while part := list(islice(rows, _AT_ONCE)):
        connection.executemany(_EPISODE, [row for row, _ in part])
        connection.executemany(_TERMS, [(row[0] * KINDS, found) for row, found in part])
        length += sum(int(row[10]) for row, _ in part)
        if vectors:
            connection.executemany(_EMBEDDING, _embeddings(space, [row for row, _ in part]))
    connection.execute(
        "update namespace set episodes = ?, terms = ?, changes = ?, last_recorded = ? where id = ?",
        (load.items, length, load.items if vectors else 0, _time(load.items), space),
    )


_Row = tuple[int, int, str, str, str, str, float, float, int | None, str, int, str, str]


def _rows(space: int, load: Load, last: int) -> Iterator[tuple[_Row, str]]:
    for at in range(load.items):
        text, number = load.text(at), last + at + 1
        found = terms(text)
        row = (
            number, space, f"{space}-{at}", text, _actor(at), f"talk {at // _TURNS}", _time(at),
            _time(at), number - 1 if at % _TURNS else None, " ".join(found), len(found),
            content_hash(text), fingerprint(text),
        )  # fmt: skip
        yield row, " ".join(tokens(space, Kind.EPISODE, found))


def _embeddings(space: int, rows: list[_Row]) -> Iterator[tuple[int, str, int, int, bytes, bytes]]:
    made = np.array([random_vector(row[3]) for row in rows], np.float32)
    model = f"{Prepared.name}/{made.shape[1]}"
    for row, vector, signature in zip(rows, made, signatures(made), strict=True):
        kind = int(Kind.EPISODE)
        yield space, model, kind, row[0], signature.tobytes(), vector.astype("<f4").tobytes()


def _actor(at: int) -> str:
    return ("Amira", "Joost")[at % 2]


def _time(at: int) -> float:
    return _START + 60.0 * at


_EPISODE = (
    "insert into episode (id, namespace_id, uid, text, actor, thread, occurred_at, recorded_at,"
    " previous_id, terms, length, content_hash, fingerprint)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TERMS = "insert into term_index (rowid, terms) values (?, ?)"
_EMBEDDING = (
    "insert into embedding (namespace_id, model, kind, item_id, signature, vector)"
    " values (?, ?, ?, ?, ?, ?)"
)
