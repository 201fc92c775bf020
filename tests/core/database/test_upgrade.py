"""A database that an earlier version has written is brought up to date, and loses nothing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect
from tests.core.database.old import change, make_old, rows
from tests.crashing import SECONDS, happened, open_runtime, start

from treadle.core.database import Database, DatabaseUrl, Migrations, migrations
from treadle.core.errors import ConfigError, RunError, TreadleError
from treadle.core.events import RunFinished, RunStarted, StepFinished
from treadle.executor.journal import Journal

FOLDER = Path(migrations.__file__).parent


def revisions() -> list[str]:
    """All revisions that there have been, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    script = ScriptDirectory.from_config(config)
    return [each.revision for each in script.walk_revisions()][::-1]


HEAD = revisions()[-1]

every_revision = pytest.mark.parametrize("revision", revisions())


async def opened(url: str, history: Migrations | None = None) -> TreadleError | None:
    database = Database(DatabaseUrl.parse(url), history or Migrations())
    try:
        await database.open()
    except TreadleError as error:
        return error
    finally:
        await database.close()
    return None


def revision_at(url: str) -> object:
    ((found,),) = rows(url, "select version_num from treadle_schema")
    return found


# ---- what earlier versions have written ---------------------------------------------------------


def test_the_stated_head_is_the_last_revision() -> None:
    assert Migrations().head == HEAD


@every_revision
async def test_the_runs_of_an_old_database_are_read(revision: str, database_url: str) -> None:
    make_old(database_url, revision)
    before = rows(database_url, "select run_id, seq, kind, body, payload from event order by 1, 2")
    journal = Journal(DatabaseUrl.parse(database_url))
    listed = {row.run_id: row.status for row in await journal.runs()}
    assert listed == {"finished": "succeeded", "interrupted": "interrupted", "waiting": "waiting"}
    assert (await journal.row("finished")).task == "do it; it's :a é task"
    finished = await journal.events("finished")
    assert isinstance(finished[0], RunStarted)
    assert isinstance(finished[-1], RunFinished)
    outputs = {e.step_id: e.output for e in finished if isinstance(e, StepFinished)}
    fan_out = outputs["f"]
    assert fan_out is not None
    assert fan_out.value == [1, 2]
    count = len(finished) + len(await journal.events("interrupted"))
    assert count + len(await journal.events("waiting")) == len(before)
    await journal.close()
    assert revision_at(database_url) == HEAD
    after = rows(database_url, "select run_id, seq, kind, body, payload from event order by 1, 2")
    assert after == before


@every_revision
async def test_the_runs_of_an_old_database_go_on(
    revision: str, database_url: str, tmp_path: Path
) -> None:
    make_old(database_url, revision)
    # The tools have changed since, in how they are written if not in what they do.
    async with open_runtime(database_url, tmp_path) as runtime:
        finished = await runtime.resume("finished")
        assert (finished.status, finished.answer) == ("succeeded", "it's 100% :here é😀 [1,2]")
        doubt = await runtime.resume("interrupted", accept_changes=True)
        assert doubt.status == "waiting"
        assert [each.id for each in doubt.steps if each.status == "waiting"][:1] == ["w"]
        assert happened(tmp_path, "look") == happened(tmp_path, "write") == []
        settled = await runtime.resume("interrupted", redo=["w"], accept_changes=True)
        assert (settled.status, settled.answer) == ("succeeded", "1 wrote 9")
        # Its approval was given to the old version, and was waiting in the database.
        approved = await runtime.resume("waiting", accept_changes=True)
        assert (approved.status, approved.answer) == ("succeeded", "wrote 5")
    assert happened(tmp_path, "write") == ["9", "5"]


def shape(url: str) -> dict[str, Any]:
    """Tables, columns, keys and indexes."""
    parsed = DatabaseUrl.parse(url)
    target = f"sqlite:///{parsed.path}" if parsed.path is not None else parsed.engine_url
    engine: Engine = create_engine(target)
    try:
        seen = inspect(engine)
        return {
            table: {
                "columns": [
                    (each["name"], str(each["type"]), each["nullable"], str(each["default"]))
                    for each in seen.get_columns(table)
                ],
                "key": seen.get_pk_constraint(table)["constrained_columns"],
                "indexes": sorted(
                    (str(each["name"]), each["column_names"], each["unique"])
                    for each in seen.get_indexes(table)
                ),
                "references": [
                    (each["constrained_columns"], each["referred_table"])
                    for each in seen.get_foreign_keys(table)
                ],
            }
            for table in seen.get_table_names()
        }
    finally:
        engine.dispose()


@every_revision
async def test_a_revision_that_was_released_stays_as_it_was(
    revision: str, database_url: str
) -> None:
    """What the migrations make today is what the versions of then have made."""
    make_old(database_url, revision, runs=False)
    kept = shape(database_url)
    drop = "drop schema public cascade"
    parsed = DatabaseUrl.parse(database_url)
    if parsed.path is not None:
        parsed.path.unlink()
    else:
        change(database_url, drop)
        change(database_url, "create schema public")
    assert await opened(database_url, Migrations(head=revision)) is None
    assert shape(database_url) == kept


# ---- a revision to come -------------------------------------------------------------------------

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("run", sa.Column("moved", sa.Integer, nullable=False, server_default="0"))
    op.execute("update run set moved = moved + 1")
    op.create_index("run_by_moved", "run", ["moved"])
    {last}
"""


def next_version(folder: Path, last: str = "") -> Migrations:
    """The history of the schema as a later version has it; `last` ends its migration."""
    target = folder / "next 100%"
    shutil.copytree(FOLDER, target)
    (target / "versions" / "next.py").write_text(NEXT.format(head=HEAD, last=last))
    return Migrations(str(target), "next")


async def test_a_new_revision_keeps_what_is_there(database_url: str, tmp_path: Path) -> None:
    make_old(database_url, HEAD)
    events = rows(database_url, "select * from event order by run_id, seq")
    commands = rows(database_url, "select * from command")
    runs = rows(database_url, "select * from run order by run_id")
    history = next_version(tmp_path)
    for _ in range(2):
        assert await opened(database_url, history) is None
        assert revision_at(database_url) == "next"
        assert rows(database_url, "select * from event order by run_id, seq") == events
        assert rows(database_url, "select * from command") == commands
        moved = rows(database_url, "select * from run order by run_id")
        assert moved == [(*run, 1) for run in runs]


async def test_a_revision_that_fails_leaves_the_database_as_it_was(
    database_url: str, tmp_path: Path
) -> None:
    make_old(database_url, HEAD)
    before, runs = shape(database_url), rows(database_url, "select * from run order by run_id")
    history = next_version(tmp_path, last='op.execute("update nothing set x = 1")')
    error = await opened(database_url, history)
    assert isinstance(error, RunError)
    assert error.code == "database_failed"
    assert revision_at(database_url) == HEAD
    assert shape(database_url) == before
    assert rows(database_url, "select * from run order by run_id") == runs
    assert await opened(database_url) is None


async def test_a_newer_database_is_refused_and_left_alone(
    database_url: str, tmp_path: Path
) -> None:
    make_old(database_url, HEAD)
    assert await opened(database_url, next_version(tmp_path)) is None
    before = rows(database_url, "select * from run order by run_id")
    error = await opened(database_url)
    assert isinstance(error, ConfigError)
    assert error.code == "database_too_new"
    assert "upgrade Treadle" in error.message
    async with open_runtime(database_url, tmp_path) as runtime:
        with pytest.raises(ConfigError) as caught:
            await runtime.resume("interrupted")
    assert caught.value.code == "database_too_new"
    assert revision_at(database_url) == "next"
    assert rows(database_url, "select * from run order by run_id") == before


def _open(url: str, history: Migrations) -> None:
    error = asyncio.run(opened(url, history))
    if error is not None:
        raise SystemExit(str(error))


@pytest.mark.timeout(90)  # processes that start take their time on a busy machine
def test_processes_that_open_an_old_database_at_once_migrate_it_once(
    database_url: str, tmp_path: Path
) -> None:
    make_old(database_url, HEAD)
    history = next_version(tmp_path)
    processes = [start(_open, database_url, history) for _ in range(4)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert rows(database_url, "select distinct moved from run") == [(1,)]


async def test_tasks_that_open_an_old_database_at_once_migrate_it_once(
    database_url: str, tmp_path: Path
) -> None:
    make_old(database_url, HEAD)
    history = next_version(tmp_path)
    async with asyncio.timeout(SECONDS):
        ended = await asyncio.gather(*(opened(database_url, history) for _ in range(8)))
    assert ended == [None] * 8
    assert rows(database_url, "select distinct moved from run") == [(1,)]


async def test_a_run_that_was_begun_before_the_upgrade_is_written_to_after_it(
    database_url: str, tmp_path: Path
) -> None:
    """The old version's process goes on beside the new one's, and neither harms the other."""
    journal = Journal(DatabaseUrl.parse(database_url))
    recording = await journal.begin("r1", task=None, now=1.0)
    assert await opened(database_url, next_version(tmp_path)) is None
    again = await journal.begin("r2", task=None, now=2.0)
    await journal.leave(recording)
    await journal.leave(again)
    assert {row.run_id for row in await journal.runs()} == {"r1", "r2"}
    await journal.close()
    assert rows(database_url, "select run_id, moved from run order by run_id") == [
        ("r1", 1),
        ("r2", 0),
    ]
