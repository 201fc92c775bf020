"""The vectors of a namespace in the table `embedding`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from treadle.core.errors import RunError
from treadle.memory import tables
from treadle.memory.embedders.signatures import signatures
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DELETED = 1 << 32
"""What a deletion adds to `namespace.changes`; an insertion adds 1. Two counts in one number."""

_AT_ONCE = 500


async def put_vectors(
    partition: Partition,
    model: str,
    items: Sequence[tuple[Kind, int]],
    rows: npt.NDArray[np.float32],
) -> int:
    """Keep a vector for each item; how many are new. What an item has of this model stays."""
    table = tables.embedding
    values = [
        {
            "model": model,
            "kind": int(kind),
            "item_id": item,
            "signature": signature.tobytes(),
            "vector": row.astype("<f4").tobytes(),
        }
        for (kind, item), row, signature in zip(items, rows, signatures(rows), strict=True)
    ]
    if not values:
        return 0
    statement = partition.insert(table).on_conflict_do_nothing().returning(table.c.item_id)
    new = len((await partition.execute(statement, values)).fetchall())
    await _count(partition, new)
    return new


async def drop_vectors(partition: Partition, items: Sequence[tuple[Kind, int]]) -> int:
    """Delete the vectors of `items`, of whatever model; how many there were."""
    table = tables.embedding
    dropped = 0
    for kind in Kind:
        numbers = [item for of, item in items if of == kind]
        for start in range(0, len(numbers), _AT_ONCE):
            part = numbers[start : start + _AT_ONCE]
            condition = (table.c.kind == int(kind)) & table.c.item_id.in_(part)
            dropped += (await partition.execute(partition.delete(table).where(condition))).rowcount
    await _count(partition, dropped * DELETED)
    return dropped


async def drop_models(partition: Partition, keep: str) -> int:
    """Delete the vectors of all models but `keep`; how many there were."""
    table = tables.embedding
    statement = partition.delete(table).where(table.c.model != keep)
    dropped = (await partition.execute(statement)).rowcount
    await _count(partition, dropped * DELETED)
    return dropped


async def fetch_vectors(
    partition: Partition, model: str, kind: Kind, items: Sequence[int]
) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Which of `items` have a vector of `model`, and those vectors, row by row."""
    import numpy as np

    table = tables.embedding
    numbers: list[int] = []
    content: list[bytes] = []
    for start in range(0, len(items), _AT_ONCE):
        query = partition.rows(table, table.c.item_id, table.c.vector).where(
            table.c.model == model,
            table.c.kind == int(kind),
            table.c.item_id.in_(items[start : start + _AT_ONCE]),
        )
        for row in await partition.execute(query):
            numbers.append(row.item_id)
            content.append(row.vector)
    dimensions = int(model.rpartition("/")[2])
    joined = b"".join(content)
    if any(len(each) != 4 * dimensions for each in content):
        raise broken_row(model)
    return numbers, np.frombuffer(joined, "<f4").reshape(-1, dimensions)


async def count_of_changes(partition: Partition) -> int:
    """How often the vectors of the namespace changed, in units of 1 and DELETED."""
    query = sa.select(tables.namespace.c.changes).where(tables.namespace.c.id == partition.id)
    return int((await partition.execute(query)).scalar() or 0)


def broken_row(model: str) -> RunError:
    """What to raise for a row that cannot be a vector or signature of `model`."""
    return RunError(
        "bad_vector_rows",
        f"the database has a vector of {model} that is too short or too long: delete the vectors "
        "of this namespace, and embed it again",
    )


async def _count(partition: Partition, changes: int) -> None:
    if changes:
        column = tables.namespace.c
        await partition.execute(
            sa.update(tables.namespace)
            .where(column.id == partition.id)
            .values(changes=column.changes + changes)
        )
