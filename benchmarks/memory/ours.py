"""Memory itself: writing, recall, and many processes on one file."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.memory.fill import namespace_of, notes
from benchmarks.memory.stopwatch import Stopwatch
from benchmarks.memory.vectors import Prepared
from benchmarks.memory.workload import Load

from treadle.core.errors import TreadleError
from treadle.memory.memory import Memory


def write_times(texts: Sequence[str], url: str) -> Stopwatch:
    """What each `remember` takes, one after the other; durable when it returns."""

    async def writing() -> Stopwatch:
        memory = Memory(url)
        watch = Stopwatch()
        try:
            await memory.remember("The first one makes the tables.", thread="bench")
            for text in texts:
                with watch.measuring():
                    await memory.remember(text, thread="bench", actor="Amira")
        finally:
            await memory.aclose()
        return watch

    return asyncio.run(writing())


def recall_times(
    load: Load, url: str, spaces: int, vectors: bool, note: bool
) -> tuple[Stopwatch, float]:
    """What each `recall` takes, with k = 10, over `spaces` namespaces in turn, and what was found.

    The second figure: the share of questions whose note, whence their words come, was among the 10.
    """

    async def asking() -> tuple[Stopwatch, float]:
        memory = Memory(url, embedder=Prepared() if vectors else None)
        watch, found = Stopwatch(), 0
        try:
            for at in range(spaces):  # opens the file, imports, reads what is kept in memory
                await memory.recall("warm up", namespace=namespace_of(at), note=False)
            for at, query in enumerate(load.queries()):
                space = namespace_of(at % spaces)
                with watch.measuring():
                    hits = await memory.recall(query.text, 10, namespace=space, note=note)
                wanted = load.text(query.about)
                found += any(hit.text == wanted for hit in hits.hits)
        finally:
            await memory.aclose()
        return watch, found / load.asked

    return asyncio.run(asking())


def remember_many_rate(load: Load, url: str, count: int) -> float:
    """Items a second through `remember_many`, 200 at once."""

    async def writing() -> float:
        memory = Memory(url)
        drafts = notes(load, count)
        try:
            await memory.remember("The first one makes the tables.", thread="bench")
            start = time.perf_counter()
            for at in range(0, count, 200):
                await memory.remember_many(drafts[at : at + 200])
            return count / (time.perf_counter() - start)
        finally:
            await memory.aclose()

    return asyncio.run(writing())


def write_as_one_of_many(process: int, count: int, url: str) -> dict[str, int]:
    """Remember `count` notes; how many failed, by the code of the error."""

    async def writing() -> dict[str, int]:
        memory = Memory(url)
        failed: Counter[str] = Counter()
        try:
            for number in range(count):
                try:
                    await memory.remember(f"Process {process} wrote note {number}.", thread="many")
                except TreadleError as error:
                    failed[error.code] += 1
        finally:
            await memory.aclose()
        return dict(failed)

    return asyncio.run(writing())


def episodes_in(path: Path) -> int:
    """How many episodes a file has, counted without Treadle."""
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        counted: int = connection.execute("select count(*) from episode").fetchone()[0]
    finally:
        connection.close()
    return counted
