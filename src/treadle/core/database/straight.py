"""A whole transaction in one thread, where each statement alone costs less than going there.

With SQLite there is nobody to wait for between two statements: the database is a file. An
asynchronous driver takes several changes of threads for each of them all the same, which cost more
than the statements do.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, CursorResult, Dialect

ResultT = TypeVar("ResultT")


class Statements(Protocol):
    """What carries out statements: an AsyncConnection, or one that does so at once."""

    @property
    def dialect(self) -> Dialect:
        """Of the database."""
        ...

    async def execute(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Carry out a statement; its rows are there when it returns."""
        ...


Work = Callable[[Statements], Coroutine[Any, Any, ResultT]]
"""What is done within a transaction. It waits for nothing but its statements."""


class AtOnce:
    """Statements on a synchronous connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        return self._connection.execute(statement, parameters)


def carried_out(work: Work[ResultT], connection: Connection) -> ResultT:
    """What `work` gives on `connection`, in this thread.

    Raises AssertionError for work that waits for something else: an error of ours.
    """
    coroutine = work(AtOnce(connection))
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    coroutine.close()
    raise AssertionError("a transaction in one thread has waited for something")
