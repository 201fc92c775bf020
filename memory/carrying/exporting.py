"""Memory as lines of JSON."""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread
from treadle.memory import tables
from treadle.memory.carrying.shape import (
    BATCH,
    FORMAT,
    ITEM_TABLES,
    NAMESPACE_COLUMNS,
    SHAPES,
    VERSION,
    Shape,
    known_by,
    written,
)
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def export(
    store: Store, namespace: Namespace, *, embeddings: bool = True
) -> AsyncGenerator[bytes, None]:
    """The lines of `namespace` and of what lies below it, as they are at one moment.

    Equal contents give equal bytes, on both databases. The tenant is not among them.
    embeddings: whether they come along; without, whoever imports has them computed again.
    """
    digest, counts = sha256(), Counter[str]()
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "namespace": namespace.path,
        "embeddings": embeddings,
    }
    line = _line(manifest)
    digest.update(line)
    yield line
    async with store.database.reading() as connection:
        if not store.database.url.is_sqlite:
            # Every statement would see another moment otherwise.
            await connection.execution_options(isolation_level="REPEATABLE READ")
        for row in await _namespaces(connection, namespace):
            here = Namespace(row.path, namespace.tenant)
            partition = Partition(connection, here, row.id, 0.0)
            async with aclosing(_rows(connection, partition, row, embeddings)) as records:
                async for name, record in records:
                    counts[name] += 1
                    line = _line({"in": name, **record})
                    digest.update(line)
                    yield line
    yield _line({"end": dict(sorted(counts.items())), "sha256": digest.hexdigest()})


async def export_file(
    store: Store, namespace: Namespace, path: Path, *, embeddings: bool = True
) -> int:
    """Write the lines to a file that only its user can read, whole or not at all; its bytes.

    Raises InputError (`export_failed`) where the file cannot be written, or where something that
    is no file, such as a device or a pipe, would be put out of the way.
    """
    if await run_in_thread(lambda: path.exists() and not path.is_file()):
        raise InputError("export_failed", f"{path} is there, and is no file; name another")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    size = 0
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                async with aclosing(export(store, namespace, embeddings=embeddings)) as lines:
                    async for line in lines:
                        size += file.write(line)
                file.flush()
                await run_in_thread(lambda: os.fsync(file.fileno()))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError("export_failed", f"{path} cannot be written: {error}") from error
    return size


def _line(record: object) -> bytes:
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


async def _namespaces(connection: AsyncConnection, above: Namespace) -> list[sa.Row[Any]]:
    space = tables.namespace.c
    found = await connection.execute(
        sa.select(tables.namespace).where(space.tenant == above.tenant)
    )
    inside = [row for row in found if above.holds(Namespace(row.path, above.tenant))]
    return sorted(inside, key=lambda row: row.path)


async def _rows(
    connection: AsyncConnection, partition: Partition, space: sa.Row[Any], embeddings: bool
) -> AsyncGenerator[tuple[str, dict[str, object]], None]:
    values = {name: space._mapping[name] for name in NAMESPACE_COLUMNS}
    yield "namespace", {"path": space.path, **values}
    for shape in SHAPES:
        if shape.table is tables.embedding and not embeddings:
            continue
        query = partition.rows(shape.table).order_by(*_order(shape, partition))
        found = await connection.stream(query, execution_options={"yield_per": BATCH})
        async for rows in found.partitions():
            for record in await _records(partition, shape, rows):
                yield shape.table.name, record


def _order(shape: Shape, partition: Partition) -> list[sa.ColumnElement[Any]]:
    """By number, else by key; texts by their bytes, whatever the language of the server."""
    if shape.has_number:
        return [shape.table.c.id]
    collation = "BINARY" if partition.is_sqlite else "C"
    keys = [each for each in shape.table.primary_key if each.name != "namespace_id"]
    return [
        sa.collate(each, collation) if isinstance(each.type, sa.Text) else each for each in keys
    ]


async def _records(
    partition: Partition, shape: Shape, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, object]]:
    """The rows with names in place of numbers; without those that refer to what is not there."""
    names = {
        column: await _names(partition, target, {row._mapping[column] for row in rows})
        for column, target in shape.references.items()
    }
    for column, kind in shape.items.items():
        names[column] = {}
        for number, target in ITEM_TABLES.items():
            wanted = {row._mapping[column] for row in rows if row._mapping[kind] == number}
            for found, name in (await _names(partition, target, wanted)).items():
                names[column][number, found] = name
    records = []
    for row in rows:
        record: dict[str, object] = {}
        for each in shape.columns:
            value = row._mapping[each.name]
            if each.name in shape.references:
                value = names[each.name].get(value)
            elif each.name in shape.items:
                value = names[each.name].get((row._mapping[shape.items[each.name]], value))
            record[each.name] = written(value)
        if all(record[each.name] is not None for each in shape.columns if not each.nullable):
            records.append(record)
    return records


async def _names(partition: Partition, table: sa.Table, numbers: set[int | None]) -> dict[Any, str]:
    wanted = sorted(each for each in numbers if each is not None)
    if not wanted:
        return {}
    query = partition.rows(table, table.c.id, known_by(table).label("name"))
    rows = await partition.execute(query.where(table.c.id.in_(wanted)))
    return {row.id: row.name for row in rows}
