"""SQLite connections that change threads once for each statement.

The driver alone changes to its thread and back for the cursor, the statement, its rows and the end
of the cursor: four times, each a wait for two threads to be scheduled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    Description = Sequence[tuple[object, ...]] | None


class OneHopConnection(aiosqlite.Connection):
    """A connection whose cursors bring all rows with them."""

    def cursor(self) -> OneHopCursor:  # type: ignore[override]
        """A cursor, made at once: nothing of SQLite is behind it before a statement is."""
        return OneHopCursor(self.carry_out)

    async def carry_out(self, how: str, sql: str, parameters: object) -> _Outcome:
        """Run a statement and fetch all it gives, in the connection's thread."""

        def run() -> _Outcome:
            cursor = self._conn.cursor()
            try:
                getattr(cursor, how)(sql, parameters)
                rows = cursor.fetchall() if cursor.description else []
                return _Outcome(rows, cursor.description, cursor.rowcount, cursor.lastrowid)
            finally:
                cursor.close()

        outcome = await self._execute(run)
        assert isinstance(outcome, _Outcome)
        return outcome

    async def rollback(self) -> None:
        """Take back the transaction, where there is one: connections come back to a pool twice."""
        if self._conn.in_transaction:
            await super().rollback()


class _Outcome:
    __slots__ = ("description", "lastrowid", "rowcount", "rows")

    def __init__(
        self,
        rows: list[Any],
        description: Description = None,
        rowcount: int = -1,
        lastrowid: int | None = None,
    ) -> None:
        self.rows = rows
        self.description = description
        self.rowcount = rowcount
        self.lastrowid = lastrowid


class OneHopCursor:
    """What SQLAlchemy uses of a cursor; the rows are there when a statement is done."""

    arraysize = 1

    def __init__(self, carry_out: Callable[..., Any]) -> None:
        self._carry_out = carry_out
        self._outcome = _Outcome([])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def description(self) -> Description:
        """The columns of the rows; None for a statement that gives none."""
        return self._outcome.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed; -1 where that says nothing."""
        return self._outcome.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number of the row that was inserted last."""
        return self._outcome.lastrowid

    async def execute(self, sql: str, parameters: object = ()) -> Self:
        """Carry out one statement."""
        self._outcome = await self._carry_out("execute", sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: object) -> Self:
        """Carry out one statement for each of `parameters`."""
        self._outcome = await self._carry_out("executemany", sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """The rows that were not given yet."""
        rows, self._outcome.rows = self._outcome.rows, []
        return rows

    async def close(self) -> None:
        """Let go of the rows."""
        self._outcome.rows = []


def one_hop(path: str, **settings: Any) -> OneHopConnection:
    """A connection to the file at `path`, to be awaited; settings are those of `sqlite3.connect`."""
    connection = OneHopConnection(lambda: sqlite3.connect(path, **settings), iter_chunk_size=64)
    # As SQLAlchemy's dialect has it: a thread that hangs in a statement ends with the process.
    # Before version 0.22 of the driver the connection was a thread itself.
    thread = getattr(connection, "_thread", connection)
    thread.daemon = True
    return connection
