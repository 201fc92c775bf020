"""How much a memory holds, and what it still has to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.memory import tables
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store
from treadle.memory.writing.outbox import DEAD, DeadLetter, Outbox

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


async def statistics(store: Store, above: Namespace, model: str | None) -> Statistics:
    """Count what `above` and the namespaces below it hold.

    model: count vectors of this one.
    """
    spaces: Sequence[Namespace] = await store.namespaces(above)
    rows: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    embedded: Counter[str] = Counter()

    async def count(partition: Partition) -> None:
        for table in tables.PARTITIONED:
            if table is not tables.outbox:
                found = await partition.execute(partition.rows(table, sa.func.count()))
                rows[table.name] += int(found.scalar_one())
        number = sa.func.count().label("number")
        outbox = tables.outbox.c
        gone = (outbox.available_at >= DEAD).label("gone")
        query = partition.rows(tables.outbox, outbox.task, gone, number)
        for row in await partition.execute(query.group_by(outbox.task, gone)):
            (dead if row.gone else waiting)[row.task] += int(row.number)
        vector = tables.embedding.c
        query = partition.rows(tables.embedding, vector.kind, number)
        for row in await partition.execute(
            query.where(vector.model == model).group_by(vector.kind)
        ):
            embedded[Kind(row.kind).name.lower()] += int(row.number)

    for each in spaces:
        await store.read(each, count)
    letters = [
        letter for letter in await Outbox(store).dead_letters() if above.holds(letter.namespace)
    ]
    path = store.database.url.path
    return Statistics(
        above,
        len(spaces),
        rows,
        waiting,
        dead,
        tuple(letters[:_DEAD_SHOWN]),
        model,
        embedded,
        {} if path is None else await run_in_thread(lambda: _sizes(path)),
    )


def _sizes(path: Path) -> dict[str, int]:
    files = [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]
    return {each.name: each.stat().st_size for each in files if each.exists()}
