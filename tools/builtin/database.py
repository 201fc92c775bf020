"""A database in memory for one call: made, used and freed in one thread, stopped from any."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from treadle.core.errors import ToolError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ResultT = TypeVar("ResultT")

STOP_SECONDS = 2.0
"""How long a cancelled call waits for its query to end."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB",
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": True,
    "allow_community_extensions": False,
    # Files in the temporary folder stay readable by SQL without external access: there is none.
    "temp_directory": "",
    "python_enable_replacements": False,
}


class Database:
    """A duckdb of one call."""

    def __init__(self) -> None:
        self._connection: DuckDBPyConnection | None = None
        self._given_up = threading.Event()
        self._ended = threading.Event()

    @property
    def given_up(self) -> bool:
        """Whether `stop` was called."""
        return self._given_up.is_set()

    def check(self) -> None:
        """To be called between statements. Raises ToolError (`cancelled`) after `stop`."""
        if self.given_up:
            raise ToolError("cancelled", "nobody waits for the result")

    def use(self, work: Callable[[DuckDBPyConnection], ResultT]) -> ResultT:
        """Do `work`, once, on a new connection. Raises what it raises."""
        import duckdb

        try:
            self.check()
            self._connection = duckdb.connect(":memory:", config=_CONFIG)
            return work(self._connection)
        except ToolError as error:
            failure = ToolError(error.code, error.message, retryable=error.retryable)
        finally:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._ended.set()
        # A new error: the frames of the first hold on to what duckdb gave, and duckdb complains
        # on the terminal of everything that outlives the interpreter's last moments.
        raise failure

    def stop(self) -> None:
        """End the call, at whatever it is; returns when it has ended."""
        import duckdb

        self._given_up.set()
        # Again and again: an interrupt between two statements is lost.
        while not self._ended.wait(0.02):
            connection = self._connection
            if connection is not None:
                with suppress(duckdb.Error):  # it has just been closed
                    connection.interrupt()
            del connection


async def with_database(
    work: Callable[[DuckDBPyConnection, Callable[[], None]], ResultT],
) -> ResultT:
    """Do `work` in a thread on a database of its own; when cancelled, interrupt it.

    work: is given the connection, and what to call between two statements.
    """
    database = Database()
    try:
        return await run_in_thread(
            lambda: database.use(lambda connection: work(connection, database.check))
        )
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await run_in_thread(database.stop)
        raise
