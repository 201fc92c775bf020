"""Tables in files, by SQL through duckdb."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.builtin.database import with_database
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

ResultT = TypeVar("ResultT")

MAX_ROWS = 10_000
"""Rows that a query may give."""

TIMEOUT = 60.0

_READERS = {
    ".csv": "read_csv(?)",
    ".tsv": "read_csv(?, delim='\t')",
    ".json": "read_json(?)",
    ".jsonl": "read_json(?, format='newline_delimited')",
    ".ndjson": "read_json(?, format='newline_delimited')",
    ".parquet": "read_parquet(?)",
}


class Column(TypedDict):
    """A column; `type` as SQL calls it."""

    name: str
    type: str


class Table(TypedDict):
    """What a table file holds; `rows` is their number."""

    path: str
    rows: int
    columns: list[Column]


def table_tools(workspace: Workspace) -> tuple[Tool, ...]:
    """The tools that look into tables of `workspace`."""

    @tool(effect=Effect.READ, timeout=TIMEOUT)
    async def describe_table(path: str) -> Table:
        """The columns and the number of rows of a CSV, TSV, JSON, JSON lines or Parquet file.

        Args:
            path: relative to the workspace
        """

        def describe(connection: DuckDBPyConnection) -> Table:
            name = _quoted(table_name(path))
            columns = connection.execute(f"DESCRIBE {name}").fetchall()
            rows = connection.execute(f"SELECT count(*) FROM {name}").fetchall()  # noqa: S608
            return {
                "path": workspace.relative(workspace.resolve(path)),
                "rows": int(rows[0][0]),
                "columns": [{"name": each[0], "type": each[1]} for each in columns],
            }

        return await _with_tables(workspace, [path], describe)

    @tool(effect=Effect.READ, timeout=TIMEOUT)
    async def query_table(sql: str, files: list[str]) -> list[dict[str, Any]]:
        """Query tables by one SQL SELECT (duckdb's dialect); gives a list of records.

        Each file is a table named like the file without folder and extension, other characters
        than letters, digits and _ replaced by _: data/sales-2024.csv is sales_2024.

        Args:
            sql: such as SELECT region, sum(amount) AS total FROM sales GROUP BY region
            files: CSV, TSV, JSON, JSON lines or Parquet files, relative to the workspace
        """
        if not files:
            raise ToolError("invalid_arguments", "name at least one file in 'files'")
        return await _with_tables(workspace, files, lambda connection: _select(connection, sql))

    return describe_table, query_table


def table_name(path: str) -> str:
    """The name under which a file is a table."""
    return re.sub(r"\W", "_", Path(path).stem, flags=re.ASCII)


async def _with_tables(
    workspace: Workspace, files: list[str], work: Callable[[DuckDBPyConnection], ResultT]
) -> ResultT:
    """Load `files` into a database of their own, lock it, and do `work` on it in a thread."""

    def run(connection: DuckDBPyConnection, check: Callable[[], None]) -> ResultT:
        for path, name in _table_names(files):
            _load(connection, workspace, path, name)
            check()
        # From here on the database reaches nothing outside of itself, whatever the SQL says.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return work(connection)

    return await with_database(run)


def _table_names(files: Sequence[str]) -> list[tuple[str, str]]:
    """Each file once, with the name of its table."""
    known: dict[str, str] = {}
    for path in files:
        name = table_name(path)
        if known.setdefault(name.lower(), path) != path:
            raise ToolError(
                "duplicate_table", f"'{known[name.lower()]}' and '{path}' are both named '{name}'"
            )
    return [(path, table_name(path)) for path in known.values()]


def _load(connection: DuckDBPyConnection, workspace: Workspace, path: str, name: str) -> None:
    import duckdb

    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise ToolError("unknown_table_format", f"'{path[:200]}' is none of {', '.join(_READERS)}")
    with _private_copy(workspace, path, suffix) as copy:
        try:
            connection.execute(
                f"CREATE TABLE {_quoted(name)} AS SELECT * FROM {_READERS[suffix]}",  # noqa: S608
                [str(copy)],
            )
        except duckdb.Error as error:
            reason = _first_lines(error).replace(str(copy), path)
            raise ToolError("bad_table", f"'{path}' cannot be read as a table: {reason}") from None


@contextmanager
def _private_copy(workspace: Workspace, path: str, suffix: str) -> Iterator[Path]:
    """A copy of what was checked: a link put in the file's place later changes nothing."""
    data = workspace.read_bytes(path)
    if not data.strip():
        raise ToolError("bad_table", f"'{path}' is empty")
    with tempfile.TemporaryDirectory(prefix="treadle-table-") as folder:
        copy = Path(folder) / f"table{suffix}"
        copy.write_bytes(data)
        yield copy


def _select(connection: DuckDBPyConnection, sql: str) -> list[dict[str, JsonValue]]:
    import duckdb

    if "\0" in sql or not _is_unicode(sql):
        raise ToolError("bad_query", "the query holds characters that no text has")
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ToolError("bad_query", "the query must be one SELECT statement")
        relation = connection.sql(statements[0])
        if relation is None:
            raise ToolError("bad_query", "the query must be one SELECT statement")
        names = distinct(relation.columns)
        rows = _with_plain_times(relation).limit(MAX_ROWS + 1).fetchall()
    except duckdb.Error as error:
        raise ToolError("bad_query", _first_lines(error)) from None
    if len(rows) > MAX_ROWS:
        raise ToolError(
            "too_many_rows", f"more than {MAX_ROWS:,} rows; aggregate them or add a LIMIT"
        )
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_plain_times(relation: DuckDBPyRelation) -> DuckDBPyRelation:
    """Times with a zone and intervals as texts.

    duckdb makes Python objects of the first only where pytz is, and of the second with months of
    30 days. Columns go by their position: their names may occur twice.
    """
    columns = [f"c{position}" for position in range(len(relation.columns))]
    kinds = [str(kind) for kind in relation.types]
    if not _AS_TEXT.keys() & set(kinds):
        return relation
    chosen = [
        _AS_TEXT.get(kind, "{column}").format(column=column)
        for column, kind in zip(columns, kinds, strict=True)
    ]
    changed = relation.query(
        "result",
        f"SELECT {', '.join(chosen)} FROM result AS result({', '.join(columns)})",  # noqa: S608
    )
    assert changed is not None, "a SELECT gives a relation"
    return changed


_AS_TEXT = {
    "TIMESTAMP WITH TIME ZONE": "strftime({column}, '%Y-%m-%dT%H:%M:%S.%f%z')",
    "INTERVAL": "CAST({column} AS VARCHAR)",
}


def distinct(names: list[str]) -> list[str]:
    """Column names as keys: one that occurs again gets a number that makes it unlike all others."""
    taken = set(names)
    seen: set[str] = set()
    distinct: list[str] = []
    for name in names:
        key, number = name, 2
        while key in seen or (key != name and key in taken):
            key, number = f"{name}_{number}", number + 1
        seen.add(key)
        distinct.append(key)
    return distinct


def _plain(value: Any) -> JsonValue:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            if not value.is_finite():
                return None
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta() | UUID():
            return str(value)
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
    return str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_lines(error: Exception) -> str:
    if "'pytz'" in str(error):
        return "a time with a zone inside a list or struct cannot be given out: cast it to VARCHAR"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:400]
