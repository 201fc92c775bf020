from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.core.database.old import change, rows
from tests.crashing import SECONDS, start

from treadle.core.database import Database, DatabaseUrl
from treadle.core.database import database as database_module
from treadle.core.database.straight import Statements
from treadle.core.errors import ConfigError, RunError, TreadleError

TABLES = {"run", "event", "command", "treadle_schema"}


def database(url: str) -> Database:
    return Database(DatabaseUrl.parse(url))


def tables(url: str) -> set[object]:
    catalogue = (
        "select name from sqlite_master where type = 'table'"
        if url.startswith("sqlite")
        else "select table_name from information_schema.tables where table_schema = 'public'"
    )
    return {name for (name,) in rows(url, catalogue)}


async def opened(url: str) -> TreadleError | None:
    made = database(url)
    try:
        await made.open()
    except TreadleError as error:
        return error
    finally:
        await made.close()
    return None


async def test_a_fresh_file_gets_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "runs.db"
    assert await opened(f"sqlite:///{path}") is None
    assert tables(f"sqlite:///{path}") >= TABLES
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


async def test_opening_twice_changes_nothing(database_url: str) -> None:
    made = database(database_url)
    await made.open()
    async with made.writing() as connection:
        await connection.execute(
            text(
                "insert into run (run_id, status, created_at, fence, heartbeat)"
                " values ('r', 'running', 0, 1, 0)"
            )
        )
    await made.open()
    await made.close()
    assert await opened(database_url) is None
    async with made.reading() as connection:
        found = await connection.execute(text("select run_id from run"))
        assert found.scalars().all() == ["r"]
    await made.close()


def _open(url: str) -> None:
    error = asyncio.run(opened(url))
    if error is not None:
        raise SystemExit(str(error))


@pytest.mark.timeout(90)  # processes that start take their time on a busy machine
@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_start_at_once_share_a_fresh_database(
    database_url: str, attempt: int
) -> None:
    processes = [start(_open, database_url) for _ in range(4)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert tables(database_url) >= TABLES


async def test_tasks_that_open_at_once_share_a_fresh_database(database_url: str) -> None:
    assert await asyncio.gather(*(opened(database_url) for _ in range(8))) == [None] * 8


async def test_a_schema_of_a_later_version_is_refused(database_url: str) -> None:
    await opened(database_url)
    change(database_url, "update treadle_schema set version_num = '9999'")
    error = await opened(database_url)
    assert isinstance(error, ConfigError)
    assert error.code == "database_too_new"
    assert "9999" in error.message
    assert "upgrade Treadle" in error.message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and nothing else. " * 100)
    before = path.read_bytes()
    error = await opened(f"sqlite:///{path}")
    assert isinstance(error, RunError)
    assert error.code == "database_corrupt"
    assert str(path) in error.message
    assert path.read_bytes() == before


async def test_a_database_of_another_program_keeps_its_tables(database_url: str) -> None:
    change(database_url, "create table run (mine text)")
    change(database_url, "insert into run values ('kept')")
    error = await opened(database_url)
    assert isinstance(error, RunError)
    assert error.code == "database_failed"
    assert rows(database_url, "select mine from run") == [("kept",)]
    assert tables(database_url) == {"run"}


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = await opened(f"sqlite:///{tmp_path}/file/runs.db")
    assert isinstance(error, RunError)
    assert error.code == "database_unavailable"


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "runs.db").mkdir()
    error = await opened(f"sqlite:///{tmp_path}/runs.db")
    assert isinstance(error, RunError)
    assert error.code == "database_unavailable"


@pytest.mark.parametrize("name", ["a b.db", "ä.db", "a&b.db", "a+b.db", "a#b.db", "100%.db"])
async def test_unusual_names_are_one_file(tmp_path: Path, name: str) -> None:
    await _one_file(tmp_path, name)


@pytest.mark.parametrize("name", ["a?b.db", "a%20b.db"])
async def test_names_with_a_meaning_in_urls_are_one_file(tmp_path: Path, name: str) -> None:
    await _one_file(tmp_path, name)


async def _one_file(folder: Path, name: str) -> None:
    from urllib.parse import quote

    from treadle.executor.journal import Journal

    journal = Journal(DatabaseUrl.parse(f"sqlite:///{folder}/{quote(name)}"))
    recording = await journal.begin("r", task=None, now=1.0)
    await recording.durable()
    await journal.leave(recording)
    await journal.close()
    found = {each.name.removesuffix("-wal").removesuffix("-shm") for each in folder.iterdir()}
    assert found == {name}
    connection = sqlite3.connect(folder / name)
    names = {found for (found,) in connection.execute("select name from sqlite_master")}
    connection.close()
    assert names >= TABLES


async def test_a_failed_transaction_leaves_nothing(database_url: str) -> None:
    made = database(database_url)
    insert: Any = text(
        "insert into run (run_id, status, created_at, fence, heartbeat) values ('r', 'x', 0, 1, 0)"
    )

    async def insert_twice() -> None:
        async with made.writing() as connection:
            await connection.execute(insert)
            await connection.execute(insert)

    with pytest.raises(RunError) as caught:
        await insert_twice()
    assert caught.value.code == "database_failed"
    async with made.reading() as connection:
        assert (await connection.execute(text("select count(*) from run"))).scalar() == 0
    await made.close()


async def test_it_can_be_opened_again_after_close(database_url: str) -> None:
    made = database(database_url)
    await made.open()
    await made.close()
    await made.open()
    await made.close()


async def test_a_write_does_not_wait_for_ever_for_another_that_writes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.2)
    short = ("PRAGMA busy_timeout = 200", *database_module.PRAGMAS[1:])
    monkeypatch.setattr(database_module, "PRAGMAS", short)
    made, other = database(database_url), database(database_url)
    await made.open()
    write = text("update run set fence = 2 where run_id = 'r'")
    async with made.writing() as connection:
        await connection.execute(
            text(
                "insert into run (run_id, status, created_at, fence, heartbeat)"
                " values ('r', 'running', 0, 1, 0)"
            )
        )

    async def change_too() -> None:
        async with other.writing() as connection:
            await connection.execute(write)

    async with asyncio.timeout(SECONDS), made.writing() as connection:
        await connection.execute(write)
        with pytest.raises(RunError) as caught:
            await change_too()
    assert caught.value.code == "database_locked"
    await change_too()  # there is nothing to wait for any more
    await made.close()
    await other.close()


async def test_a_server_without_the_database(postgres_url: str) -> None:
    """Its name is in the message, and has nothing to do with what went wrong."""
    error = await opened(f"{postgres_url}_busy_full_locked")
    assert isinstance(error, RunError)
    assert error.code == "database_unavailable"


async def test_a_server_that_ends_a_connection_is_asked_again(postgres_url: str) -> None:
    made = database(postgres_url)
    await made.open()
    end = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and datname = current_database()"
    )

    async def ask(meanwhile: str | None = None) -> object:
        async with made.reading() as connection:
            if meanwhile is not None:
                change(postgres_url, meanwhile)
            return (await connection.execute(text("select 1"))).scalar()

    change(postgres_url, end)
    assert await ask() == 1
    with pytest.raises(RunError) as caught:
        await ask(meanwhile=end)
    assert await ask() == 1
    assert caught.value.code == "database_unavailable"
    await made.close()


async def test_the_options_of_a_url_are_kept(postgres_url: str) -> None:
    made = database(f"{postgres_url}?options=-c%20statement_timeout%3D77s&application_name=looms")
    async with made.reading() as connection:
        for setting, expected in (
            ("statement_timeout", "77s"),
            ("lock_timeout", "10s"),
            ("application_name", "looms"),
        ):
            found = await connection.execute(text(f"show {setting}"))
            assert found.scalar() == expected
    await made.close()


async def test_a_transaction_in_one_go(database_url: str) -> None:
    database = Database(DatabaseUrl.parse(database_url))

    async def create(connection: Statements) -> str:
        await connection.execute(text("create table noted (word text)"))
        await connection.execute(text("insert into noted values (:word)"), {"word": "kept"})
        return connection.dialect.name

    async def fail(connection: Statements) -> None:
        await connection.execute(text("insert into noted values ('lost')"))
        raise ZeroDivisionError

    async def read(connection: Statements) -> list[str]:
        return list((await connection.execute(text("select word from noted"))).scalars())

    assert await database.in_one_go(create, writes=True) in database_url
    with pytest.raises(ZeroDivisionError):
        await database.in_one_go(fail, writes=True)
    assert await database.in_one_go(read, writes=False) == ["kept"]
    await database.close()


async def test_work_in_one_go_waits_for_nothing_else(tmp_path: Path) -> None:
    database = Database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/runs.db"))

    async def wait(_: Statements) -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="waited for something"):
        await database.in_one_go(wait, writes=True)
    await database.close()
