"""Databases as earlier versions of Treadle left them: their tables, and runs within them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg

from treadle.core.database import DatabaseUrl

_DATA = Path(__file__).parent / "data"


def make_old(url: str, revision: str, *, runs: bool = True) -> None:
    """Make the tables of `revision` at `url`, and put runs into them, by SQL alone.

    For each revision there are `REVISION.sqlite.sql` and `REVISION.postgresql.sql` (the tables, as
    a dump has them), and `REVISION.sql` (runs that its version has written) where these are
    written otherwise than before.
    """
    path = DatabaseUrl.parse(url).path
    tables = _DATA / f"{revision}.{'postgresql' if path is None else 'sqlite'}.sql"
    scripts = [tables, _runs(revision)] if runs else [tables]
    statements = [each for script in scripts for each in _statements(script)]
    if path is None:
        with psycopg.connect(url) as server:
            for each in statements:
                server.execute(each.encode())
        return
    file = sqlite3.connect(path)
    try:
        with file:
            for each in statements:
                file.execute(each)
    finally:
        file.close()


def _runs(revision: str) -> Path:
    known = sorted(each for each in _DATA.glob("*.sql") if each.stem.isdecimal())
    return [each for each in known if each.stem <= revision][-1]


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """What a query finds, whatever Treadle thinks of the database."""
    path = DatabaseUrl.parse(url).path
    if path is None:
        with psycopg.connect(url) as server:
            return server.execute(query.encode()).fetchall()
    file = sqlite3.connect(path)
    try:
        return file.execute(query).fetchall()
    finally:
        file.close()


def change(url: str, statement: str) -> None:
    """Execute one statement, behind Treadle's back."""
    path = DatabaseUrl.parse(url).path
    if path is None:
        with psycopg.connect(url) as server:
            server.execute(statement.encode())
        return
    file = sqlite3.connect(path)
    try:
        with file:
            file.execute(statement)
    finally:
        file.close()


def _statements(script: Path) -> Iterator[str]:
    """One a line: none of them has a line break in it."""
    for line in script.read_text("utf-8").splitlines():
        if line and not line.startswith("--"):
            yield line
