"""Saving what can still be read of a damaged SQLite database, into a new one."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from treadle.core.database import Database, DatabaseUrl, Migrations
from treadle.core.database.errors import database_error
from treadle.core.database.schema import OURS
from treadle.core.errors import InputError, RunError
from treadle.core.threads import run_in_thread
from treadle.memory import tables
from treadle.memory.carrying.mending import mend

_BATCH = 200

_MOST_GAPS = 100_000
"""Unreadable places in one table after which the rest of it is given up."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was saved, in rows per table.

    damaged: tables of which not everything could be read.
    dropped: rows that refer to others that are lost, and mean nothing without them.
    """

    saved: Mapping[str, int] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


async def salvage(path: Path, out: Path, migrations: Migrations = OURS) -> Salvaged:
    """Read what can be read of the database at `path` into a new one at `out`, runs included.

    The damaged file is only read, as is its log. What is in the new one can be used as it is, or
    exported; the index of terms is made anew.

    Raises InputError (`salvage_failed`) where `out` is there already or `path` is not. Raises
    RunError (`database_corrupt`) where not even the list of tables can be read.
    """
    _check(path, out)
    url = DatabaseUrl.parse(f"sqlite:///{out}")
    database = Database(url, migrations)
    await database.open()
    await database.close()
    source = DatabaseUrl.parse(f"sqlite:///{path}")
    try:
        return await run_in_thread(lambda: _copied(path, out))
    except sqlite3.Error as error:
        await run_in_thread(lambda: out.unlink(missing_ok=True))
        failed = database_error(source, error)
        if failed.code == "database_corrupt":
            failed = RunError(failed.code, _beyond_saving(path, error))
        raise failed from error


def _beyond_saving(path: Path, error: sqlite3.Error) -> str:
    """What is left to do where the tables cannot even be told from each other."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
        return (
            f"{path} does not begin as a database of SQLite does: nothing of it can be read. It is "
            "left as it is; restore a backup, or an export with `treadle memory import`"
        )
    return (
        f"the list of tables in {path} is damaged ({error}), so that their rows are not to be told "
        "apart here. It is left as it is; restore a backup, or an export with `treadle memory "
        "import`. The program sqlite3 guesses from single pages: "
        f"`sqlite3 {path.name} .recover | sqlite3 recovered.db`, and then salvage recovered.db"
    )


def _check(path: Path, out: Path) -> None:
    if out.exists():
        raise InputError("salvage_failed", f"{out} is there already; name a new file")
    if not path.is_file():
        raise InputError("salvage_failed", f"there is no file {path}")


def _copied(path: Path, out: Path) -> Salvaged:
    saved: Counter[str] = Counter()
    damaged: list[str] = []
    with (
        closing(_reading(path)) as source,
        closing(sqlite3.connect(out, isolation_level=None)) as target,
    ):
        target.execute("PRAGMA foreign_keys = OFF")
        target.execute("begin")
        theirs = {
            name for (name,) in source.execute("select name from sqlite_master where type='table'")
        }
        for table in _own_tables(target):
            if table not in theirs:
                damaged.append(table)
                continue
            columns = _common_columns(source, target, table)
            insert = (
                f'insert or ignore into "{table}" ({columns}) values '  # noqa: S608
                f"({', '.join('?' * (columns.count(',') + 1))})"
            )
            whole = True
            for row in _readable(source, table, columns):
                if row is None:
                    whole = False
                else:
                    saved[table] += target.execute(insert, row).rowcount
            if not whole:
                damaged.append(table)
        dropped = mend(target)
        target.execute("commit")
    return Salvaged(dict(+saved), tuple(damaged), dict(+dropped))


def _reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    # A text of which some bytes are damaged is worth more than none.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.execute("PRAGMA cell_size_check = ON")
    # A table whose definition is damaged does not keep the others from being read.
    connection.execute("PRAGMA writable_schema = ON")
    return connection


def _own_tables(target: sqlite3.Connection) -> list[str]:
    """The tables that this version has, without those of the index of terms and of the schema."""
    found = target.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        " and name not like 'term_index%' and name <> 'treadle_schema'"
    )
    return sorted(name for (name,) in found)


def _common_columns(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> str:
    names = [
        [name for (name,) in connection.execute("select name from pragma_table_info(?)", (table,))]
        for connection in (target, source)
    ]
    return ", ".join(f'"{name}"' for name in names[0] if name in names[1])


def _readable(
    source: sqlite3.Connection, table: str, columns: str
) -> Iterator[tuple[Any, ...] | None]:
    """The rows that can be read, some of them twice; None where one could not be."""
    if "id" not in tables.metadata.tables.get(table, _NO_TABLE).c:
        # From either end, as far as it goes.
        for order in ("", _backwards(source, table)):
            whole = True
            for row in _until_damage(source, f'select {columns} from "{table}" {order}'):  # noqa: S608
                if row is None:
                    whole = False
                yield row
            if whole:
                return
        return
    last, gap, gaps = 0, 1, 0
    highest = _highest(source, table)
    while True:
        query = f'select id, {columns} from "{table}" not indexed where id > {last} order by id'  # noqa: S608
        whole = True
        for row in _until_damage(source, query):
            if row is None:
                whole = False
                break
            last, gap = row[0], 1
            yield row[1:]
        if whole:
            return
        yield None
        # Over what cannot be read, in growing steps.
        last, gap, gaps = last + gap, gap * 2, gaps + 1
        if last > highest or gaps > _MOST_GAPS:
            return


_NO_TABLE = tables.link
"""Some table without numbers."""


def _highest(source: sqlite3.Connection, table: str) -> int:
    """The highest number of a row that may be there."""
    for query, values in (
        ("select seq from sqlite_sequence where name = ?", (table,)),
        (f'select max(id) from "{table}"', ()),  # noqa: S608
    ):
        try:
            row = source.execute(query, values).fetchone()
        except sqlite3.DatabaseError:
            continue
        if row is not None and isinstance(row[0], int):
            return row[0]
    return 2**31


def _backwards(source: sqlite3.Connection, table: str) -> str:
    keys = source.execute(
        "select name from pragma_table_info(?) where pk > 0 order by pk", (table,)
    )
    names = [f'"{name}" desc' for (name,) in keys]
    return f"order by {', '.join(names)}" if names else "order by rowid desc"


def _until_damage(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...] | None]:
    try:
        rows: Iterable[tuple[Any, ...]] = source.execute(query)
        yield from rows
    except sqlite3.DatabaseError:
        yield None
