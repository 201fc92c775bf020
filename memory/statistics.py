"""How much a memory holds, and what it still has to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.memory import tables
from treadle.memory.embedders import NamedEmbedder
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.outbox import DeadLetter, Outbox

_WITH_VECTORS = ("episode", "fact")
"""The kinds of items that get vectors."""

_DEAD_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a namespace holds, with those below it.

    rows: per table. waiting, dead: work in the background per task, still to be done and given up.
    dead_letters: the oldest of what was given up, and why.
    model: whose vectors were counted; None without an embedder. embedded: items per kind that have
        one.
    files: bytes per file of the database; empty where a server has them.
    """

    namespace: Namespace
    namespaces: int
    rows: Mapping[str, int]
    waiting: Mapping[str, int] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    dead_letters: tuple[DeadLetter, ...] = ()
    model: str | None = None
    embedded: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, JsonValue]:
        """What the command line prints."""
        covered: dict[str, JsonValue] = {
            name: {"embedded": self.embedded.get(name, 0), "of": self.rows.get(name, 0)}
            for name in _WITH_VECTORS
        }
        return {
            "namespace": str(self.namespace),
            "namespaces": self.namespaces,
            "rows": dict(sorted(self.rows.items())),
            "outbox": {
                "waiting": dict(sorted(self.waiting.items())),
                "dead": dict(sorted(self.dead.items())),
            },
            "dead_letters": [
                {
                    "namespace": str(letter.namespace),
                    "task": letter.task,
                    "kind": letter.kind.name.lower(),
                    "error": letter.error,
                }
                for letter in self.dead_letters
            ],
            "embedder": None if self.model is None else {"model": self.model, **covered},
            "bytes": dict(self.files) or None,
        }


async def statistics(store: Store, above: Namespace, embedder: NamedEmbedder | None) -> Statistics:
    """Count what `above` and the namespaces below it hold.

    embedder: count the vectors of this one.
    """
    model = None if embedder is None else embedder.model or embedder.name
    rows: Counter[str] = Counter()
    async with store.counting(above) as branch:
        namespaces = await branch.namespaces()
        for table in tables.PARTITIONED:
            if table is not tables.outbox:
                rows[table.name] = sum(int(row.number) for row in await branch.count(table))
        vector = tables.embedding.c
        vectors = await branch.count(tables.embedding, vector.kind, where=[_made_by(embedder)])
    embedded = {Kind(row.kind).name.lower(): int(row.number) for row in vectors}
    outbox = Outbox(store)
    work = await outbox.counts(namespace=above)
    path = store.database.url.path
    return Statistics(
        above,
        namespaces,
        rows if namespaces else {},
        {task: counts["waiting"] for task, counts in work.items() if counts["waiting"]},
        {task: counts["dead"] for task, counts in work.items() if counts["dead"]},
        await outbox.dead_letters(_DEAD_SHOWN, namespace=above),
        model,
        embedded,
        {} if path is None else await run_in_thread(lambda: _sizes(path)),
    )


def _made_by(embedder: NamedEmbedder | None) -> sa.ColumnElement[bool]:
    """The condition that a vector is of `embedder`, also where its dimensions are not known yet."""
    model = tables.embedding.c.model
    if embedder is None:
        return sa.false()
    if embedder.model is not None:
        return model == embedder.model
    start = f"{embedder.name}/"
    return sa.func.substr(model, 1, len(start)) == start


def _sizes(path: Path) -> dict[str, int]:
    files = [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]
    return {each.name: each.stat().st_size for each in files if each.exists()}
