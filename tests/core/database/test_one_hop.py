from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from treadle.core.database import Database, DatabaseUrl
from treadle.core.database.one_hop import one_hop

MANY = 2_000
NUMBERS = f"with recursive n(x) as (select 1 union all select x + 1 from n where x < {MANY})"


async def test_all_rows_come_however_many_there_are(tmp_path: Path) -> None:
    database = Database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/a.db"))
    async with database.reading() as connection:
        found = await connection.execute(text(f"{NUMBERS} select x from n"))
        assert [row.x for row in found] == list(range(1, MANY + 1))
        assert (await connection.execute(text(f"{NUMBERS} select x from n"))).first() == (1,)
    await database.close()


async def test_a_stream_reads_as_far_as_it_is_asked(tmp_path: Path) -> None:
    database = Database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/a.db"))
    async with database.reading() as connection:
        # The hundred-thousandth row cannot be made: whoever reads all at once fails.
        endless = (
            "with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000000)"
            " select case when x = 100000 then json('no json') else x end as x from n"
        )
        options = {"yield_per": 100}
        rows = await connection.stream(text(endless), execution_options=options)
        first = await rows.fetchmany(1_000)
        await rows.close()
        assert [row.x for row in first] == list(range(1, 1_001))
    await database.close()


async def test_counts_and_numbers_of_what_was_written(tmp_path: Path) -> None:
    connection = one_hop(str(tmp_path / "b.db"))
    await connection
    cursor = connection.cursor()
    await cursor.execute("create table t (x)")
    await cursor.executemany("insert into t values (?)", [(1,), (2,), (3,)])
    assert cursor.rowcount == 3
    await cursor.execute("insert into t values (4) returning x")
    assert await cursor.fetchone() == (4,)
    assert await cursor.fetchone() is None
    assert cursor.lastrowid == 4
    with pytest.raises(sqlite3.OperationalError):
        await cursor.execute("select nothing from nowhere")
    await connection.close()


async def test_who_gives_up_while_waiting_for_the_lock_leaves_no_transaction(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "c.db")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    connection = one_hop(path, timeout=10.0)
    await connection
    waiting = asyncio.ensure_future(connection.cursor().execute("begin immediate"))
    await asyncio.sleep(0)
    waiting.cancel()
    other.execute("rollback")
    await connection.rollback()
    other.execute("begin immediate")
    other.execute("rollback")
    other.close()
    await connection.close()
