"""What drivers raise, as errors of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from treadle.core.database.url import DatabaseUrl
from treadle.core.errors import RunError, TreadleError

BUSY_SECONDS = 10.0
"""How long a write waits for another process that writes, before it is given up."""

# By number and not by text: what a message says is the language of the server, and the name of a
# database or a file.
_SQLITE_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_POSTGRES_LOCKED = ("55P03",)  # lock_not_available: our lock_timeout
_POSTGRES_FULL = ("53100",)  # disk_full
_POSTGRES_CORRUPT = ("XX001", "XX002")  # data_corrupted, index_corrupted

# Python's own words, where a text is not UTF-8 any more; there is no number for it.
_NOT_TEXT = "Could not decode to UTF-8"


@contextmanager
def translated(url: DatabaseUrl) -> Iterator[None]:
    """Within the block, what the database raises becomes an error of ours."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise database_error(url, error) from error


def database_error(url: DatabaseUrl, error: BaseException) -> TreadleError:
    """The coded error for what a driver raised: a RunError, see `Database`."""
    raised = getattr(error, "orig", None) or error
    reason = str(raised).strip().splitlines()
    said = reason[0][:300] if reason else type(raised).__name__
    # An extended code has the primary one in its lowest byte.
    number = getattr(raised, "sqlite_errorcode", 0) & 0xFF
    state = getattr(raised, "sqlstate", None)
    if number in _SQLITE_LOCKED or state in _POSTGRES_LOCKED:
        return RunError(
            "database_locked",
            f"{url}: another process has been writing for {BUSY_SECONDS:g} s; try again",
        )
    if number == sqlite3.SQLITE_FULL or state in _POSTGRES_FULL:
        return RunError("database_full", f"{url}: {said}; make room, then resume")
    if number in _SQLITE_CORRUPT or state in _POSTGRES_CORRUPT or said.startswith(_NOT_TEXT):
        return RunError(
            "database_corrupt",
            f"{url} is damaged, or no database ({said}): keep a copy of it, then restore a backup, "
            "or save what can still be read with `treadle memory salvage` (or `.recover` of "
            "sqlite3), and go on with that",
        )
    # SQLite's "operational" errors are those of a wrong statement, too.
    unreachable = isinstance(raised, OSError) or (
        isinstance(error, OperationalError | sqlite3.OperationalError)
        and number != sqlite3.SQLITE_ERROR
    )
    if unreachable or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return RunError("database_unavailable", f"{url}: {said}")
    return RunError("database_failed", f"{url}: {said}")
