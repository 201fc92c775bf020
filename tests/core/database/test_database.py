from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.crashing import SECONDS, start

from treadle.core.database import Database, DatabaseUrl
from treadle.core.errors import ConfigError, RunError, TreadleError

TABLES = {"run", "event", "command", "treadle_schema"}


def database(path: Path) -> Database:
    return Database(DatabaseUrl.parse(f"sqlite:///{path}"))


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("select name from sqlite_master where type = 'table'")
        return {name for (name,) in found}
    finally:
        connection.close()


async def opened(path: Path) -> TreadleError | None:
    made = database(path)
    try:
        await made.open()
    except TreadleError as error:
        return error
    finally:
        await made.close()
    return None


async def test_a_fresh_file_gets_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "runs.db"
    assert await opened(path) is None
    assert tables(path) >= TABLES
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


async def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    made = database(path)
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
    assert await opened(path) is None
    async with made.reading() as connection:
        found = await connection.execute(text("select run_id from run"))
        assert found.scalars().all() == ["r"]
    await made.close()


def _open(path: Path) -> None:
    error = asyncio.run(opened(path))
    if error is not None:
        raise SystemExit(str(error))


def test_processes_that_start_at_once_share_a_fresh_file(tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / f"{number}.db"
        processes = [start(_open, path) for _ in range(4)]
        for process in processes:
            process.join(SECONDS)
        assert [process.exitcode for process in processes] == [0, 0, 0, 0]
        assert tables(path) >= TABLES


async def test_tasks_that_open_at_once_share_a_fresh_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    assert await asyncio.gather(*(opened(path) for _ in range(8))) == [None] * 8


async def test_a_schema_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    await opened(path)
    connection = sqlite3.connect(path)
    connection.execute("update treadle_schema set version_num = '9999'")
    connection.commit()
    connection.close()
    error = await opened(path)
    assert isinstance(error, ConfigError)
    assert error.code == "database_too_new"
    assert "upgrade Treadle" in error.message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and nothing else. " * 100)
    before = path.read_bytes()
    error = await opened(path)
    assert isinstance(error, RunError)
    assert error.code in ("database_failed", "database_unavailable")
    assert str(path) in error.message
    assert path.read_bytes() == before


async def test_a_database_of_another_program_keeps_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("create table run (mine text)")
    connection.execute("insert into run values ('kept')")
    connection.commit()
    connection.close()
    error = await opened(path)
    assert error is not None
    connection = sqlite3.connect(path)
    assert connection.execute("select mine from run").fetchall() == [("kept",)]
    connection.close()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = await opened(tmp_path / "file" / "runs.db")
    assert isinstance(error, RunError)
    assert error.code == "database_unavailable"


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "runs.db").mkdir()
    error = await opened(tmp_path / "runs.db")
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
    assert tables(folder / name) >= TABLES


async def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    made = database(tmp_path / "runs.db")
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


async def test_it_can_be_opened_again_after_close(tmp_path: Path) -> None:
    made = database(tmp_path / "runs.db")
    await made.open()
    await made.close()
    await made.open()
    await made.close()
