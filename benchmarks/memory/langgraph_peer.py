"""LangGraph's stores: cosine over vectors, which is their only search for meaning."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.memory.stopwatch import Stopwatch
from benchmarks.memory.table import NotAvailable
from benchmarks.memory.vectors import DIMENSIONS, Prepared
from benchmarks.memory.workload import Load

from treadle.memory.locomo import Conversation

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore, IndexConfig

KINDS = ("memory", "sqlite")


def ranked(
    kind: str, vectors: Path, talks: Sequence[Conversation], folder: Path
) -> list[list[str]]:
    """What is found for each question; every conversation is a namespace of its own."""
    found: list[list[str]] = []
    with _store(kind, folder, Prepared(vectors)) as store:
        for talk in talks:
            space = ("talks", talk.name)
            for turn in talk.turns:
                text = f"{turn.speaker}: {turn.content}"
                store.put(space, turn.id, {"text": text}, index=["text"])
            for question in talk.questions:
                hits = store.search(space, query=question.text, limit=20)
                found.append([each.key for each in hits])
    return found


def write_times(kind: str, texts: Sequence[str], folder: Path, url: str = "") -> Stopwatch:
    """What each `put` takes, without a vector: for those both databases need extensions."""
    watch = Stopwatch()
    with _store(kind, folder, None, url) as store:
        for number, text in enumerate(texts):
            with watch.measuring():
                store.put(("writes",), str(number), {"text": text})
    return watch


def search_times(kind: str, load: Load, folder: Path) -> tuple[Stopwatch, float]:
    """What each search takes among random vectors, and the seconds that filling took."""
    from langgraph.store.base import PutOp

    with _store(kind, folder, Prepared()) as store:
        start = time.perf_counter()
        for at in range(0, load.items, 500):
            store.batch(
                [
                    PutOp(("items",), str(number), {"text": load.text(number)}, index=["text"])
                    for number in range(at, min(at + 500, load.items))
                ]
            )
        filled = time.perf_counter() - start
        watch = Stopwatch()
        for query in load.queries():
            with watch.measuring():
                store.search(("items",), query=query.text, limit=10)
    return watch, filled


@contextmanager
def _store(kind: str, folder: Path, vectors: Prepared | None, url: str = "") -> Iterator[BaseStore]:
    index: IndexConfig | None = None
    if vectors is not None:
        index = {"dims": DIMENSIONS, "embed": vectors.embed, "fields": ["text"]}
    if kind == "memory":
        from langgraph.store.memory import InMemoryStore

        yield InMemoryStore(index=index)
    elif kind == "sqlite":
        try:
            from langgraph.store.sqlite import SqliteStore
        except ImportError as error:
            raise NotAvailable("pip install 'treadle[bench]'") from error
        if index and not hasattr(sqlite3.Connection, "enable_load_extension"):
            raise NotAvailable("this Python's sqlite3 loads no extensions, which SqliteStore needs")
        with SqliteStore.from_conn_string(str(folder / "store.db"), index=index) as store:
            store.setup()
            yield store
    else:
        try:
            from langgraph.store.postgres import PostgresStore
        except ImportError as error:
            raise NotAvailable("pip install 'treadle[bench]'") from error
        with PostgresStore.from_conn_string(url) as store:
            store.setup()
            yield store
