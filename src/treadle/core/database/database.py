"""A database: its connections, and the schema that it must have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from treadle.core.database.url import DatabaseUrl
from treadle.core.errors import ConfigError, RunError, TreadleError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

HEAD = "0001"
"""The revision of the schema that this version of Treadle works with."""

BUSY_SECONDS = 10.0
"""How long a write waits for another process that writes, before it is given up."""

_CONNECT_SECONDS = 10


class Database:
    """Connections to one database, opened when first used; `open` brings its schema up to date.

    Raises RunError: `database_unavailable` where it cannot be reached or opened, `database_locked`
    where another process does not stop writing, `database_full` where the disk is, and
    `database_failed` for the rest. Raises ConfigError (`database_too_new`) for a schema that a
    later version made.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url
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
                try:
                    # Runs hold what people wrote: nobody else is to read it.
                    self.url.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self.url.path.touch(mode=0o600)
                except OSError as error:
                    raise RunError("database_unavailable", f"{self.url}: {error}") from error
            with translated(self.url):
                async with self.engine.connect() as connection:
                    found = await _revision(connection)
                if found != HEAD:
                    await self._migrate(found)
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

    async def close(self) -> None:
        """Close all connections."""
        engine, self._engine = self._engine, None
        self._opened = False
        self._opening = None
        if engine is not None:
            await engine.dispose()

    async def _migrate(self, found: str | None) -> None:
        async with self.engine.connect() as connection:
            await connection.execution_options(treadle_writes=True)
            async with connection.begin():
                if not self.url.is_sqlite:
                    # Two processes that start at once must not both create the tables.
                    await connection.execute(text("select pg_advisory_xact_lock(7238114)"))
                await connection.run_sync(_upgrade, str(self.url))


@contextmanager
def translated(url: DatabaseUrl) -> Iterator[None]:
    """Within the block, what the database raises becomes an error of ours."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise database_error(url, error) from error


def database_error(url: DatabaseUrl, error: BaseException) -> TreadleError:
    """The coded error for what a driver raised."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()
    said = reason[0][:300] if reason else type(error).__name__
    lower = said.lower()
    if "locked" in lower or "busy" in lower:
        return RunError(
            "database_locked",
            f"{url}: another process has been writing for {BUSY_SECONDS:g} s; try again",
        )
    if "full" in lower or "no space" in lower:
        return RunError("database_full", f"{url}: {said}; make room, then resume")
    if isinstance(error, OSError | OperationalError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return RunError("database_unavailable", f"{url}: {said}")
    return RunError("database_failed", f"{url}: {said}")


def _sqlite(url: DatabaseUrl) -> AsyncEngine:
    engine = create_async_engine(url.engine_url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # Transactions begin where we say so (below), not where the driver guesses.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads first and writes later cannot wait for the lock: it fails.
        writes = connection.get_execution_options().get("treadle_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


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
            connect_args={"connect_timeout": _CONNECT_SECONDS},
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            "missing_extra", "PostgreSQL needs a driver: pip install 'treadle[postgres]'"
        ) from error


async def _revision(connection: AsyncConnection) -> str | None:
    """The revision of the schema; None for an empty database."""
    there = await connection.run_sync(lambda sync: sync.dialect.has_table(sync, "treadle_schema"))
    if not there:
        return None
    found = await connection.execute(text("select version_num from treadle_schema"))
    return found.scalar()


def _upgrade(connection: Connection, name: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "treadle:core/database/migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(
            "database_too_new",
            f"{name} was written by a later version of Treadle ({error}); upgrade Treadle",
        ) from error
