"""A database: its connections, and the schema that it must have."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from treadle.core.database.errors import BUSY_SECONDS, database_error, translated
from treadle.core.database.schema import OURS, Migrations, revision_of, upgrade
from treadle.core.database.straight import Work, carried_out
from treadle.core.database.url import DatabaseUrl
from treadle.core.errors import ConfigError, RunError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

ResultT = TypeVar("ResultT")

_CONNECT_SECONDS = 10
_RETRY_SECONDS = 0.05

_NETWORK = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3}
"""A server that is gone without a word is noticed after some 15 seconds (libpq's settings)."""


class Database:
    """Connections to one database, opened when first used; `open` brings its schema up to date.

    Raises RunError: `database_unavailable` where it cannot be reached or opened, `database_locked`
    where another process does not stop writing, `database_full` where the disk is, and
    `database_failed` for the rest. Raises ConfigError (`database_too_new`) for a schema that a
    later version made.

    migrations: the history of its schema.
    """

    def __init__(self, url: DatabaseUrl, migrations: Migrations = OURS) -> None:
        self.url = url
        self._migrations = migrations
        self._engine: AsyncEngine | None = None
        self._opened = False
        self._opening: asyncio.Lock | None = None

    @property
    def engine(self) -> AsyncEngine:
        """The engine; one per event loop that uses this database."""
        if self._engine is None:
            self._engine = _sqlite(self.url) if self.url.is_sqlite else _postgresql(self.url)
        return self._engine

    async def open(self) -> None:
        """Create the file and bring the schema up to date; cheap when that is done already."""
        if self._opened:
            return
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._opened:
                return
            if self.url.path is not None:
                _make_file(self.url, self.url.path)
            deadline = time.monotonic() + BUSY_SECONDS
            while not self._opened:
                try:
                    await self._bring_up_to_date()
                except RunError as error:
                    # Where several make a file at once SQLite lets some of them not even wait.
                    if error.code != "database_locked" or time.monotonic() >= deadline:
                        raise
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._opened = True

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading, within one transaction."""
        await self.open()
        with translated(self.url):
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection for writing: one transaction, committed at the end of the block."""
        await self.open()
        with translated(self.url):
            async with self.engine.connect() as connection:
                await connection.execution_options(treadle_writes=True)
                async with connection.begin():
                    yield connection

    async def in_one_go(self, work: Work[ResultT], *, writes: bool) -> ResultT:
        """What `work` gives, within one transaction: in one thread on SQLite, for speed.

        Where the caller is cancelled on SQLite the transaction comes to its end all the same.
        """
        await self.open()
        with translated(self.url):
            if self.url.is_sqlite:
                return await run_in_thread(partial(self._straight, work, writes))
            async with self.engine.begin() as connection:
                return await work(connection)

    def _straight(self, work: Work[ResultT], writes: bool) -> ResultT:
        with self._file.connect() as connection:
            connection.execution_options(treadle_writes=writes)
            with connection.begin():
                return carried_out(work, connection)

    async def close(self) -> None:
        """Close all connections."""
        engine, self._engine = self._engine, None
        file: Engine | None = self.__dict__.pop("_file", None)
        if file is not None:
            file.dispose()
        self._opened = False
        self._opening = None
        if engine is not None:
            await engine.dispose()

    async def _bring_up_to_date(self) -> None:
        with translated(self.url):
            async with self.engine.connect() as connection:
                found = await connection.run_sync(revision_of)
            if found != self._migrations.head:
                await self._migrate()

    @cached_property
    def _file(self) -> Engine:
        """Connections to an SQLite file that threads use, one at a time each."""
        url = URL.create("sqlite+pysqlite", database=str(self.url.path))
        engine = create_engine(
            url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
        )
        _set_up(engine)
        return engine

    async def _migrate(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execution_options(treadle_writes=True)
            async with connection.begin():
                if not self.url.is_sqlite:
                    # Two processes that start at once must not both create the tables.
                    await connection.execute(text("select pg_advisory_xact_lock(7238114)"))
                await connection.run_sync(upgrade, self._migrations, str(self.url))


def _make_file(url: DatabaseUrl, path: Path) -> None:
    try:
        # Runs hold what people wrote: nobody else is to read it.
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        # The asynchronous driver leaves its thread to itself where it cannot open a file; it then
        # speaks to a loop that may be gone, and dies with a traceback.
        sqlite3.connect(path).close()
    except OSError as error:
        raise RunError("database_unavailable", f"{url}: {error}") from error
    except sqlite3.Error as error:
        raise database_error(url, error) from error


def _sqlite(url: DatabaseUrl) -> AsyncEngine:
    engine = create_async_engine(url.engine_url, connect_args={"timeout": BUSY_SECONDS})
    _set_up(engine.sync_engine)
    return engine


def _set_up(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # Transactions begin where we say so (below), not where the driver guesses.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads first and writes later cannot wait for the lock: it fails.
        writes = connection.get_execution_options().get("treadle_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


PRAGMAS = (
    f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def _postgresql(url: DatabaseUrl) -> AsyncEngine:
    try:
        return create_async_engine(
            url.engine_url,
            pool_pre_ping=True,
            connect_args=_postgresql_settings(url),
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            "missing_extra", "PostgreSQL needs a driver: pip install 'treadle[postgres]'"
        ) from error


def _postgresql_settings(url: DatabaseUrl) -> dict[str, object]:
    """No wait without an end: for a connection, a lock, a server that is gone."""
    given = url.engine_url.query
    settings: dict[str, object] = {"connect_timeout": _CONNECT_SECONDS, **_NETWORK}
    settings = {name: value for name, value in settings.items() if name not in given}
    options = given.get("options", "")
    if isinstance(options, str) and "lock_timeout" not in options:
        settings["options"] = f"{options} -c lock_timeout={int(BUSY_SECONDS * 1000)}".strip()
    return settings
