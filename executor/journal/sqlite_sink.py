"""Batches into SQLite, on the event loop's thread where that is quicker than leaving it.

A thread hop costs several times what a small commit does, so that a batch is written where it
comes up; only when the file is locked, or the disk is slow to sync, does a thread do it.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from time import perf_counter

from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from treadle.core.database.database import PRAGMAS
from treadle.core.database.errors import BUSY_SECONDS, database_error
from treadle.core.database.url import DatabaseUrl
from treadle.core.threads import run_in_thread
from treadle.executor.journal.batch import END_RUN, INSERT_EVENT, Batch

_PATIENCE = 5
"""Milliseconds that the event loop may wait for another writer."""

_SLOW_SYNC = 0.005
"""Seconds of a synchronous commit above which the next one is left to a thread."""

_INSERT = INSERT_EVENT + "(?, ?, ?, ?, ?, ?)"
_END = END_RUN.format("?")


class SqliteSink:
    """One connection, used by one thread at a time: `Writer` commits one batch after the other."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(url.path)),
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "isolation_level": None},
        )
        self._connection: sqlite3.Connection | None = None
        self._full = False
        self._patient = False
        self._sync_seconds = 0.0

    def commit_at_once(self, batch: Batch) -> set[str] | None:
        if batch.durable and self._sync_seconds > _SLOW_SYNC:
            return None
        try:
            return self._commit(batch, patient=False)
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                return None
            raise database_error(self._url, error) from error
        except sqlite3.Error as error:
            raise database_error(self._url, error) from error

    async def commit(self, batch: Batch) -> set[str]:
        try:
            return await run_in_thread(partial(self._commit, batch, patient=True))
        except sqlite3.Error as error:
            raise database_error(self._url, error) from error

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()

    def _commit(self, batch: Batch, *, patient: bool) -> set[str]:
        # The driver's own connection: SQLAlchemy's costs 15 us a statement, as much as the commit.
        connection = self._ready(patient, batch.durable)
        execute = connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            lost = {
                run_id
                for run_id, fence in batch.fences.items()
                if execute("select fence from run where run_id = ?", (run_id,)).fetchone()
                != (fence,)
            }
            if lost:
                batch = batch.without(lost)
            rows = batch.rows
            if len(rows) == 1:
                execute(_INSERT, rows[0])
            else:
                connection.executemany(_INSERT, rows)
            for ended in batch.ended:
                execute(_END, ended)
            started = perf_counter()
            execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        if batch.durable:
            self._sync_seconds += 0.2 * (perf_counter() - started - self._sync_seconds)
        return lost

    def _ready(self, patient: bool, full: bool) -> sqlite3.Connection:
        connection = self._connection
        if connection is None:
            raw = self._engine.raw_connection()
            connection = raw.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            raw.detach()
            self._connection = connection
            for pragma in PRAGMAS:
                connection.execute(pragma)
            self._full, self._patient = True, True
        if full is not self._full:
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        if patient is not self._patient:
            wait = int(BUSY_SECONDS * 1000) if patient else _PATIENCE
            connection.execute(f"PRAGMA busy_timeout = {wait}")
            self._patient = patient
        return connection
