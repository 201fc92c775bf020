"""Databases that are damaged, full, read-only or newer; what is said, and what can be saved."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.memory.carrying.stores import exported, opened, sqlite_url
from tests.memory.erasure import filling
from tests.memory.erasure.test_eraser import HOME, fill, left

from treadle.core.errors import ConfigError, InputError, RunError, TreadleError
from treadle.memory import tables
from treadle.memory.carrying.salvage import salvage
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

EPISODES = 60


async def made(folder: Path) -> Path:
    """A database of many pages."""
    async with opened(sqlite_url(folder, "here")) as store:
        await store.database.open()
        async with store.database.reading() as connection:
            # Up to here is the schema: without it there is nothing to be read by anybody.
            schema = (await connection.execute(sa.text("pragma page_count"))).scalar_one()
        await fill(store)
        async with store.writing(Namespace("many")) as partition:
            for number in range(EPISODES):
                await filling.episode(partition, f"m{number}", f"{number} " + "word " * 150)
    (folder / "schema").write_text(str(schema * 4096))
    return folder / "here.db"


async def write_much(store: Store) -> None:
    async with store.writing(HOME) as partition:
        for number in range(200):
            await filling.episode(partition, f"x{number}", "word " * 400)


async def read_all(path: Path) -> None:
    async with opened(f"sqlite:///{path}") as store:
        await exported(store)


async def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "here.db"
    path.write_bytes(b"This is a letter, and no database at all. " * 200)
    with pytest.raises(RunError) as caught:
        await read_all(path)
    assert caught.value.code == "database_corrupt"
    assert "salvage" in caught.value.message
    assert path.read_bytes().startswith(b"This is a letter")
    with pytest.raises(RunError) as caught:
        await salvage(path, tmp_path / "out.db")
    assert caught.value.code == "database_corrupt"
    assert "memory salvage" not in caught.value.message  # that is what was tried
    assert "restore a backup" in caught.value.message
    assert not (tmp_path / "out.db").exists()


async def test_a_damaged_list_of_tables_is_beyond_saving_and_says_so(tmp_path: Path) -> None:
    path = await made(tmp_path)
    data = bytearray(path.read_bytes())
    # The head of the file is whole; what follows on its first page is not.
    data[100:4096] = random.Random(1).randbytes(3996)
    path.write_bytes(data)
    before = path.read_bytes()
    with pytest.raises(RunError) as caught:
        await salvage(path, tmp_path / "out.db")
    assert caught.value.code == "database_corrupt"
    assert "memory salvage" not in caught.value.message
    assert ".recover" in caught.value.message
    assert path.read_bytes() == before
    assert not (tmp_path / "out.db").exists()


async def test_a_truncated_file_is_named_and_its_start_is_saved(tmp_path: Path) -> None:
    path = await made(tmp_path)
    with path.open("r+b") as file:
        schema = int((tmp_path / "schema").read_text())
        file.truncate(schema + (path.stat().st_size - schema) * 2 // 3)
    with pytest.raises(RunError) as caught:
        await read_all(path)
    assert caught.value.code == "database_corrupt"
    await saved_something(path, tmp_path / "out.db")


@pytest.mark.parametrize("seed", range(6))
async def test_flipped_bytes_are_named_or_harmless(tmp_path: Path, seed: int) -> None:
    path = await made(tmp_path)
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    schema = int((tmp_path / "schema").read_text())
    for _ in range(40):
        data[chance.randrange(schema, len(data))] ^= 1 << chance.randrange(8)
    page = 4096 * chance.randrange(schema // 4096, len(data) // 4096)
    data[page : page + 4096] = chance.randbytes(4096)
    path.write_bytes(data)
    try:
        await read_all(path)
    except TreadleError as error:
        assert error.code in ("database_corrupt", "bad_namespace"), error
    await saved_something(path, tmp_path / "out.db")


async def saved_something(path: Path, out: Path) -> None:
    before = path.read_bytes()
    done = await salvage(path, out)
    assert path.read_bytes() == before
    assert done.saved["episode"] > 5
    async with opened(f"sqlite:///{out}") as store:
        lines = await exported(store, Namespace("many"))
        found = [line for line in lines if b'"in":"episode"' in line]
        assert found
        async with store.database.reading() as connection:
            assert (await connection.execute(sa.text("pragma foreign_key_check"))).all() == []
            checked = await connection.execute(sa.text("pragma integrity_check"))
            assert checked.scalars().all() == ["ok"]
        # It works like any other: it can be written, and erased from.
        await fill(store, Namespace("new"))
        receipt = await Eraser(store).forget(namespace=Namespace("new"), everything=True)
        assert receipt.erased["episode"] == 5


async def test_all_of_a_sound_database_is_saved(tmp_path: Path) -> None:
    path = await made(tmp_path)
    done = await salvage(path, tmp_path / "out.db")
    assert not done.damaged
    assert not done.dropped
    async with (
        opened(f"sqlite:///{path}") as here,
        opened(sqlite_url(tmp_path, "out")) as there,
    ):
        assert await exported(there) == await exported(here)
    with pytest.raises(InputError) as caught:
        await salvage(path, tmp_path / "out.db")
    assert caught.value.code == "salvage_failed"
    with pytest.raises(InputError):
        await salvage(tmp_path / "nowhere.db", tmp_path / "new.db")


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = await made(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("update treadle_schema set version_num = '9999'")
        connection.commit()
    with pytest.raises(ConfigError) as caught:
        await read_all(path)
    assert caught.value.code == "database_too_new"


async def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    path = await made(tmp_path)
    async with opened(f"sqlite:///{path}") as store:
        async with store.database.reading() as connection:
            # As large as it is, no larger: a disk that is full.
            pages = (await connection.execute(sa.text("pragma page_count"))).scalar_one()
            await connection.execute(sa.text(f"pragma max_page_count = {pages}"))
        with pytest.raises(RunError) as caught:
            await write_much(store)
        assert caught.value.code == "database_full"
    async with opened(f"sqlite:///{path}") as store:
        assert (await left(store))["episode"] == ["e1", "e2", "e3", "e4", "e5"]
        await Eraser(store).forget(namespace=Namespace("many"), everything=True)
        await fill(store, Namespace("new"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only files")
async def test_a_read_only_file(tmp_path: Path) -> None:
    path = await made(tmp_path)
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        async with opened(f"sqlite:///{path}") as store:
            with pytest.raises(RunError) as caught:
                await fill(store)
        assert caught.value.code == "database_unavailable"
    finally:
        tmp_path.chmod(0o700)


async def test_writes_that_the_database_refuses_lose_nothing(tmp_path: Path) -> None:
    path = await made(tmp_path)
    async with opened(f"sqlite:///{path}") as store:
        async with store.database.engine.connect() as connection:
            await connection.execute(sa.text("pragma query_only = on"))
        with pytest.raises(RunError) as caught:
            await Eraser(store).forget(namespace=HOME, everything=True)
        assert caught.value.code == "database_unavailable"
    async with opened(f"sqlite:///{path}") as store:
        assert len((await left(store))["episode"]) == 5


async def test_many_namespaces_cost_no_more_than_few(store: Store) -> None:
    async with store.database.writing() as connection:
        await connection.execute(
            sa.text(
                "insert into namespace (tenant, path, created_at, last_recorded)"
                " with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)"
                " select 'local', 'users/' || i, 1, 1 from n"
            )
        )
    await fill(store, Namespace("users/50000"))
    statements: list[str] = []

    def count(*args: object) -> None:
        statements.append(str(args[2]).partition(" ")[0])

    engine = store.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        found = await store.namespaces(Namespace("users/50000"))
        assert found == (Namespace("users/50000"),)
        assert statements.count("SELECT") == 1
        receipt = await Eraser(store).forget(
            namespace=Namespace("users/50000"), episodes=["e1", "e2"]
        )
        assert receipt.erased["episode"] == 2
        assert len(statements) < 300
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(await store.namespaces(Namespace("users"))) == 100_000


async def test_sql_in_names_is_text(store: Store) -> None:
    namespace = Namespace("'; drop table episode; --", tenant='"; delete from namespace; --')
    await fill(store, namespace)
    lines = await exported(store, namespace)
    assert len(lines) > 20
    receipt = await Eraser(store).forget(namespace=namespace, subject="'; drop table fact; -- x")
    assert receipt.rows == 0
    await Eraser(store).forget(namespace=namespace, everything=True)
    await fill(store, namespace)


async def test_erasing_while_the_clock_goes_back(store: Store) -> None:
    await fill(store)
    store.clock.jump(-10 * 365 * 86_400)  # type: ignore[attr-defined]
    receipt = await Eraser(store).forget(namespace=HOME, episodes=["e1"])
    assert receipt.erased["episode"] == 1
    async with store.reading(HOME) as partition:
        query = partition.rows(tables.tombstone, tables.tombstone.c.erased_at)
        erased_at = (await partition.execute(query)).scalars().all()
        query = partition.rows(tables.episode, tables.episode.c.recorded_at)
        assert min(erased_at) > max((await partition.execute(query)).scalars())
