"""`treadle memory stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.output import print_json, write_stdout
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.memory.memory import Memory
    from treadle.memory.namespace import Namespace

_DEAD_SHOWN = 20
_WITH_VECTORS = ("episode", "fact")


async def stats(options: MemoryOptions) -> int:
    """Print how much there is of what, in the namespace and below it."""
    async with open_memory(options) as memory:
        spaces = await memory.store.namespaces(memory.namespace)
        rows: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        dead: Counter[str] = Counter()
        for each in spaces:
            await _count(memory, each, rows, waiting, dead)
        letters = [
            letter
            for letter in await memory.outbox.dead_letters()
            if memory.namespace.holds(letter.namespace)
        ]
        document: dict[str, JsonValue] = {
            "namespace": str(memory.namespace),
            "namespaces": len(spaces),
            "rows": dict(sorted(rows.items())),
            "outbox": {
                "waiting": dict(sorted(waiting.items())),
                "dead": dict(sorted(dead.items())),
            },
            "dead_letters": [
                {
                    "namespace": str(letter.namespace),
                    "task": letter.task,
                    "kind": letter.kind.name.lower(),
                    "error": letter.error,
                }
                for letter in letters[:_DEAD_SHOWN]
            ],
            "embedder": await _coverage(memory, spaces, rows),
            "bytes": _sizes(memory.store.database.url.path),
        }
    if options.json:
        print_json(document)
    else:
        write_stdout(stats_text(document))
    return 0


async def _count(
    memory: Memory,
    namespace: Namespace,
    rows: Counter[str],
    waiting: Counter[str],
    dead: Counter[str],
) -> None:
    """Add what one namespace holds."""
    import sqlalchemy as sa

    from treadle.memory import tables
    from treadle.memory.writing.outbox import DEAD

    async with memory.store.reading(namespace) as partition:
        for table in tables.PARTITIONED:
            if table is tables.outbox:
                continue
            found = await partition.execute(partition.rows(table, sa.func.count()))
            rows[table.name] += int(found.scalar_one())
        outbox = tables.outbox.c
        gone = (outbox.available_at >= DEAD).label("gone")
        number = sa.func.count().label("number")
        query = partition.rows(tables.outbox, outbox.task, gone, number)
        for row in await partition.execute(query.group_by(outbox.task, gone)):
            (dead if row.gone else waiting)[row.task] += int(row.number)


async def _coverage(
    memory: Memory, spaces: Sequence[Namespace], rows: Mapping[str, int]
) -> dict[str, JsonValue] | None:
    """How many items have a vector of the embedder's; None where there is no embedder."""
    if memory.embedder is None:
        return None
    import sqlalchemy as sa

    from treadle.memory import tables
    from treadle.memory.kinds import Kind

    embedding = tables.embedding.c
    have: Counter[int] = Counter()
    for each in spaces:
        async with memory.store.reading(each) as partition:
            query = (
                partition.rows(tables.embedding, embedding.kind, sa.func.count().label("number"))
                .where(embedding.model == memory.embedder.model)
                .group_by(embedding.kind)
            )
            for row in await partition.execute(query):
                have[row.kind] += int(row.number)
    covered: dict[str, JsonValue] = {
        name: {"embedded": have[Kind[name.upper()]], "of": rows.get(name, 0)}
        for name in _WITH_VECTORS
    }
    return {"model": memory.embedder.model, **covered}


def _sizes(path: Path | None) -> dict[str, JsonValue] | None:
    """The bytes of each file of the database; None where a server has them."""
    if path is None:
        return None
    files = [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]
    return {each.name: each.stat().st_size for each in files if each.exists()}


def stats_text(document: Mapping[str, JsonValue]) -> str:
    """The same for people."""
    count = document["namespaces"]
    lines = [f"{one_line(str(document['namespace']))}, {count} namespaces with those below it"]
    lines += _table("rows", document["rows"])
    outbox = document["outbox"]
    if isinstance(outbox, dict):
        lines += _table("still to be worked out", outbox["waiting"])
        lines += _table("given up", outbox["dead"])
    letters = document["dead_letters"]
    for each in letters if isinstance(letters, list) else []:
        if isinstance(each, dict):
            lines.append(f"    {each['task']}: {one_line(str(each['error']), 160)}")
    coverage = document["embedder"]
    if isinstance(coverage, dict):
        lines.append(f"vectors of {one_line(str(coverage['model']), 80)}:")
        for name in _WITH_VECTORS:
            found = coverage[name]
            if isinstance(found, dict):
                lines.append(f"  {found['embedded']:>12,} of {found['of']:,} {name}s")
    else:
        lines.append("no embedder: words alone")
    lines += _table("bytes", document["bytes"])
    return "\n".join(lines) + "\n"


def _table(title: str, counts: JsonValue) -> list[str]:
    if not isinstance(counts, dict):
        return []
    rows = [f"  {count:>12,} {name}" for name, count in counts.items() if count]
    return [f"{title}:", *rows] if rows else []
