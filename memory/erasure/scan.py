"""Looking through the files of a database for what must not be there any more."""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

_SUFFIXES = ("", "-wal", "-shm", "-journal")


def files_of(path: Path) -> list[Path]:
    """The files of an SQLite database that are there."""
    candidates = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
    return [each for each in candidates if each.is_file()]


def size_of(path: Path) -> int:
    """Bytes of all files of an SQLite database."""
    return sum(each.stat().st_size for each in files_of(path))


def traces(path: Path, fragments: Sequence[tuple[bytes, ...]]) -> tuple[int, int]:
    """How many fragments are in the files though no row has them, and the bytes looked through.

    A fragment that a row has (of whatever table, and of whomever) tells nothing about traces.
    """
    suspects: dict[bytes, None] = {}
    scanned = 0
    for each in files_of(path):
        with each.open("rb") as file:
            size = file.seek(0, 2)
            scanned += size
            if size == 0:
                continue
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                suspects.update(
                    (spelling, None)
                    for fragment in fragments
                    for spelling in fragment
                    if spelling not in suspects and content.find(spelling) >= 0
                )
    if not suspects:
        return 0, scanned
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        columns = list(_columns(connection))
        found = sum(not _accounted_for(connection, columns, each) for each in suspects)
    return found, scanned


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    yield "sqlite_master", "sql"
    tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (table,) in tables:
        for column in connection.execute("select name, type from pragma_table_info(?)", (table,)):
            if column[1].upper() not in ("INTEGER", "BIGINT", "DOUBLE", "REAL", "FLOAT"):
                yield table, column[0]


def _accounted_for(
    connection: sqlite3.Connection, columns: Sequence[tuple[str, str]], spelling: bytes
) -> bool:
    for table, column in columns:
        query = f'select 1 from "{table}" where instr(cast("{column}" as blob), ?) > 0 limit 1'  # noqa: S608
        if connection.execute(query, (spelling,)).fetchone() is not None:
            return True
    return False
