"""Whether a PostgreSQL server could compare vectors itself."""

from __future__ import annotations

import sqlalchemy as sa

from treadle.core.database import Database


async def pgvector_available(database: Database) -> bool:
    """Whether the server has the extension `vector`, installed in this database or not.

    It is not used: signatures give the same results in the same order on every database.
    """
    if database.url.is_sqlite:
        return False
    query = sa.text("select 1 from pg_available_extensions where name = 'vector'")
    async with database.reading() as connection:
        return (await connection.execute(query)).first() is not None
