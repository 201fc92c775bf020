"""The fence for statements that look up rows by their numbers."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from treadle.memory.store import Partition


def owned(partition: Partition, table: sa.FromClause) -> sa.ColumnElement[bool]:
    """The condition of `Partition.owns`, for rows that are found by something narrower.

    SQLite, which has no statistics here, takes a namespace to have some ten rows, and would rather
    read all of it than look up a dozen numbers; it is told that nearly every row is of it.
    """
    condition = partition.owns(table)
    if not partition.is_sqlite:
        return condition
    return sa.func.likelihood(condition, sa.literal_column("0.99"), type_=sa.Boolean())


def numbered(
    partition: Partition, table: sa.FromClause, numbers: Collection[int]
) -> sa.ColumnElement[bool]:
    """The condition of rows with these numbers, as far as they are of the namespace."""
    return owned(partition, table) & table.c.id.in_(sorted(numbers))
