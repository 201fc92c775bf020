"""Tables in files, by SQL through duckdb."""

from __future__ import annotations

import asyncio
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)

    def run() -> ResultT:
        try:
            _load(connection, workspace, files)
            # From here on the database reaches nothing outside of itself, whatever the SQL says.
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            return work(connection)
        finally:
            connection.close()

    try:
        return await run_in_thread(run)
    except asyncio.CancelledError:
        connection.interrupt()
        raise


_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB",
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": True,
    "allow_community_extensions": False,
    "max_temp_directory_size": "0KB",
}


def _load(connection: DuckDBPyConnection, workspace: Workspace, files: list[str]) -> None:
    import duckdb

    known: dict[str, str] = {}
    for path in files:
        name = table_name(path)
        if known.setdefault(name.lower(), path) != path:
            raise ToolError(
                "duplicate_table", f"'{known[name.lower()]}' and '{path}' are both named '{name}'"
            )
        suffix = Path(path).suffix.lower()
        if suffix not in _READERS:
            raise ToolError("unknown_table_format", f"'{path}' is none of {', '.join(_READERS)}")
        with _private_copy(workspace, path, suffix) as copy:
            try:
                connection.execute(
                    f"CREATE TABLE {_quoted(name)} AS SELECT * FROM {_READERS[suffix]}",  # noqa: S608
                    [str(copy)],
                )
            except duckdb.Error as error:
                reason = _first_lines(error).replace(str(copy), path)
                raise ToolError(
                    "bad_table", f"'{path}' cannot be read as a table: {reason}"
                ) from None


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

    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ToolError("bad_query", "the query must be one SELECT statement")
        result = connection.execute(statements[0])
        names = _distinct([column[0] for column in result.description or ()])
        rows = result.fetchmany(MAX_ROWS + 1)
    except duckdb.Error as error:
        raise ToolError("bad_query", _first_lines(error)) from None
    if len(rows) > MAX_ROWS:
        raise ToolError(
            "too_many_rows", f"more than {MAX_ROWS:,} rows; aggregate them or add a LIMIT"
        )
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _distinct(names: list[str]) -> list[str]:
    """Column names as keys: a name that occurs again gets a number."""
    seen: dict[str, int] = {}
    distinct: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
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
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:400]
