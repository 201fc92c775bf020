"""Nothing of what was deleted stays in the files of a database: not in free pages, not in logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from treadle.core.database import Database, DatabaseUrl
from treadle.core.database.errors import database_error, translated
from treadle.core.errors import RunError
from treadle.core.threads import run_in_thread

SECONDS = 60.0
"""How long a sweep may take, waiting for other readers included."""

_STEPS = 20_000
"""Instructions of SQLite's machine between two looks at the time."""

_WAIT = 0.25
"""Seconds that one attempt at a checkpoint waits."""

_TABLES = "select tablename from pg_tables where schemaname = current_schema() order by 1"


async def sweep(database: Database, seconds: float = SECONDS) -> None:
    """Rewrite what holds free space that was in use before: a file, or all tables of a server.

    Raises RunError (`erasure_pending`) where others do not let go within `seconds`: the rows are
    gone, and calling again finishes it; and as `Database` does.
    """
    path = database.url.path
    if path is not None:
        await run_in_thread(lambda: _sweep_file(database.url, path, seconds))
    else:
        await _sweep_server(database, seconds)


def _sweep_file(url: DatabaseUrl, path: Path, seconds: float) -> None:
    end = monotonic() + seconds
    left = "the rows are erased, their traces in free pages and in the log are not yet"
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT, isolation_level=None)) as connection:
            connection.set_progress_handler(lambda: monotonic() > end, _STEPS)
            connection.execute("PRAGMA secure_delete = ON")
            left_over = [
                "insert into term_index (term_index) values ('optimize')",
                "VACUUM",
            ]
            if not _has(connection, "term_index"):
                del left_over[0]
            while left_over:
                if _tried(connection, left_over[0]):
                    del left_over[0]
                elif monotonic() > end:
                    raise _pending(url, left, "another process is writing")
            while not _truncated(connection):
                if monotonic() > end:
                    raise _pending(url, left, "another process is reading what was there before")
    except sqlite3.Error as error:
        number = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if number == sqlite3.SQLITE_INTERRUPT:
            raise _pending(url, left, "there was not time enough") from error
        raise database_error(url, error) from error


def _has(connection: sqlite3.Connection, table: str) -> bool:
    query = "select 1 from sqlite_master where name = ?"
    return connection.execute(query, (table,)).fetchone() is not None


def _tried(connection: sqlite3.Connection, statement: str) -> bool:
    """Whether it was done; not where somebody else is writing."""
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return False
        raise
    return True


def _truncated(connection: sqlite3.Connection) -> bool:
    """Whether the whole log is in the file, and empty."""
    try:
        row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return False
        raise
    return bool(row[0] == 0)


async def _sweep_server(database: Database, seconds: float) -> None:
    """Rewrite the tables; WAL and backups are the operator's."""
    await database.open()
    with translated(database.url):
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            limit = int(seconds * 1000)
            await connection.execute(sa.text(f"set lock_timeout = {limit}"))
            await connection.execute(sa.text(f"set statement_timeout = {limit}"))
            try:
                found = await connection.execute(sa.text(_TABLES))
                for name in found.scalars().all():
                    quoted = connection.dialect.identifier_preparer.quote(name)
                    try:
                        await connection.execute(sa.text(f"vacuum (full) {quoted}"))
                    except DBAPIError as error:
                        if getattr(error.orig, "sqlstate", None) not in ("55P03", "57014"):
                            raise
                        raise _pending(
                            database.url, f"the table {name} is not rewritten yet", "it is in use"
                        ) from error
            finally:
                await connection.execute(sa.text("reset lock_timeout"))
                await connection.execute(sa.text("reset statement_timeout"))


def _pending(url: DatabaseUrl, left: str, why: str) -> RunError:
    return RunError(
        "erasure_pending",
        f"{url}: {left}, since {why}; close other uses of it and call forget again, with "
        "anything or nothing",
    )
