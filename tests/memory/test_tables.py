"""The tables that queries name are those that the migrations make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from treadle.memory import tables
from treadle.memory.store import Store

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


async def test_the_migrations_make_the_tables(store: Store) -> None:
    async with store.database.reading() as connection:
        differences = await connection.run_sync(_differences)
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    known = tables.metadata.tables

    def ours(thing: object, name: str | None, kind: str, reflected: bool, _: object) -> bool:
        return not (kind == "table" and reflected and name not in known)

    context = MigrationContext.configure(connection, opts={"include_object": ours})
    return list(compare_metadata(context, tables.metadata))
