"""SQLite connections that change threads once for each statement.

The driver alone changes to its thread and back for the cursor, the statement, its rows and the end
of the cursor: four times, each a wait for two threads to be scheduled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeVar

import aiosqlite

ResultT = TypeVar("ResultT")

_AT_ONCE = 300
"""Rows that come with their statement. Larger results, such as streams, follow in pieces."""


class OneHopConnection(aiosqlite.Connection):
    """A connection whose statements bring their rows with them."""

    # Statements that were handed over, and that ended: each is counted by one thread only.
    _begun = 0
    _ended = 0

    def cursor(self) -> OneHopCursor:  # type: ignore[override]
        """A cursor, made at once: nothing of SQLite is behind it before a statement is."""
        return OneHopCursor(self)

    async def begin(self, sql: str, parameters: Any, many: bool) -> Begun:
        """Carry out a statement in the connection's thread, and fetch the first of its rows."""

        def run() -> Begun:
            try:
                return Begun(self._conn.cursor(), sql, parameters, many)
            finally:
                self._ended += 1

        self._begun += 1
        return await self._there(run)

    async def go_on(self, begun: Begun, most: int | None) -> None:
        """Fetch at most `most` further rows, or all of them."""
        await self._there(partial(begun.read, most))

    async def end(self, begun: Begun) -> None:
        """Leave the rows that were not fetched."""
        await self._there(begun.leave)

    async def _there(self, function: Callable[[], ResultT]) -> ResultT:
        result: ResultT = await self._execute(function)  # type: ignore[no-untyped-call]
        return result

    async def rollback(self) -> None:
        """Take back the transaction, where there is one: a pool asks again after each."""
        # A statement that nobody waits for any more may be about to begin one.
        if self._begun != self._ended or self._conn.in_transaction:
            await super().rollback()


class Begun:
    """A statement that was carried out: what it did, and the first of its rows.

    Made in the thread of the connection.

    complete: whether these are all; its cursor is closed then.
    """

    def __init__(self, cursor: sqlite3.Cursor, sql: str, parameters: Any, many: bool) -> None:
        self._cursor = cursor
        try:
            (cursor.executemany if many else cursor.execute)(sql, parameters)
        except BaseException:
            cursor.close()
            raise
        self.description: Any = cursor.description
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid
        self.rows: list[Any] = []
        self.complete = False
        self.read(_AT_ONCE)

    def read(self, most: int | None) -> None:
        """Fetch rows; call it in the thread of the connection."""
        if self.complete:
            return
        try:
            found = self._cursor.fetchall() if most is None else self._cursor.fetchmany(most)
            # After the rows: an insertion that returns some is counted when they are read.
            self.rowcount = self._cursor.rowcount
        except BaseException:
            self.leave()
            raise
        self.rows += found
        if most is None or len(found) < most:
            self.leave()

    def leave(self) -> None:
        """Close the cursor; call it in the thread of the connection."""
        self.complete = True
        self._cursor.close()


class OneHopCursor:
    """What SQLAlchemy uses of a cursor."""

    arraysize = 1

    def __init__(self, connection: OneHopConnection) -> None:
        self._connection = connection
        self._begun: Begun | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def description(self) -> Any:
        """The columns of the rows; None for a statement that gives none."""
        return None if self._begun is None else self._begun.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed; -1 where that says nothing."""
        return -1 if self._begun is None else self._begun.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number of the row that was inserted last."""
        return None if self._begun is None else self._begun.lastrowid

    async def execute(self, sql: str, parameters: Any = ()) -> Self:
        """Carry out one statement."""
        await self.close()
        self._begun = await self._connection.begin(sql, parameters, many=False)
        return self

    async def executemany(self, sql: str, parameters: Any) -> Self:
        """Carry out one statement for each of `parameters`."""
        await self.close()
        self._begun = await self._connection.begin(sql, parameters, many=True)
        return self

    async def fetchall(self) -> list[Any]:
        """The rows that were not given yet."""
        begun = self._begun
        if begun is None:
            return []
        if not begun.complete:
            await self._connection.go_on(begun, None)
        rows, begun.rows = begun.rows, []
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next `size` rows, fewer at the end."""
        begun, size = self._begun, size or self.arraysize
        if begun is None:
            return []
        if len(begun.rows) < size and not begun.complete:
            await self._connection.go_on(begun, max(size - len(begun.rows), _AT_ONCE))
        rows, begun.rows = begun.rows[:size], begun.rows[size:]
        return rows

    async def fetchone(self) -> Any:
        """The next row; None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        row = await self.fetchone()
        if row is None:
            raise StopAsyncIteration
        return row

    async def close(self) -> None:
        """Let go of the rows, those that were not fetched too."""
        begun = self._begun
        if begun is None:
            return
        begun.rows = []
        if not begun.complete:
            await self._connection.end(begun)


def one_hop(path: str, **settings: Any) -> OneHopConnection:
    """A connection to the file at `path`, to be awaited; settings: those of `sqlite3.connect`."""
    connection = OneHopConnection(lambda: sqlite3.connect(path, **settings), iter_chunk_size=64)
    # As SQLAlchemy's dialect has it: a thread that hangs in a statement ends with the process.
    # Before version 0.22 of the driver the connection was a thread itself.
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    return connection
