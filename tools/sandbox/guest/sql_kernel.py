"""Kernels for SQL: SQLite, and DuckDB where its package is there."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from typing import Any

from treadle.tools.sandbox.guest.cell import INTERRUPTED, JSON, NOTHING, RAISED
from treadle.tools.sandbox.guest.kernel_wire import Texts, report

_MAX_NESTING = 16


def serve_sql(options: dict[str, Any]) -> None:
    """Run texts of one or more statements each; the rows of the last one are the value."""
    database: _Sqlite | _Duckdb = _Duckdb(options) if options["kind"] == "duckdb" else _Sqlite()
    texts = Texts()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report(0, NOTHING)
    while True:
        text = texts.next()
        try:
            signal.signal(signal.SIGINT, _interrupt_once)
            answer = database.run(text)
            what = NOTHING
            if answer is not None:
                what = JSON + _table(*answer, options["max_rows"], options["max_value"])
            code = 0
        except KeyboardInterrupt:
            code, what = 130, INTERRUPTED
        except Exception as error:  # noqa: BLE001 - whatever a database raises is its answer
            interrupted = "nterrupt" in str(error)
            code, what = (
                (130, INTERRUPTED) if interrupted else (1, RAISED + type(error).__name__.encode())
            )
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        report(code, what)


def _interrupt_once(_number: int, _frame: Any) -> None:
    # Another one must not end the kernel while it reports the first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


class _Sqlite:
    def __init__(self) -> None:
        import sqlite3

        self._complete = sqlite3.complete_statement
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        # Called while a statement runs, it lets Python look at its signals.
        self._connection.set_progress_handler(lambda: 0, 20_000)

    def run(self, text: str) -> tuple[list[str], Any] | None:
        answer = None
        for statement in self._statements(text):
            cursor = self._connection.execute(statement)
            if cursor.description is not None:
                answer = [each[0] for each in cursor.description], cursor
            else:
                answer = None
        return answer

    def _statements(self, text: str) -> Iterator[str]:
        statement = ""
        for part in text.split(";"):
            statement += part + ";"
            if self._complete(statement):
                if statement.strip(" \t\r\n;"):
                    yield statement
                statement = ""
        if statement.strip(" \t\r\n;"):
            yield statement.removesuffix(";")


class _Duckdb:
    def __init__(self, options: dict[str, Any]) -> None:
        sys.path.insert(0, options["packages"])
        import duckdb

        megabytes = max(options["memory_bytes"] // 2 // 1_000_000, 16)
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{megabytes}MB",
                "threads": 2,
                "temp_directory": options["temporary"],
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )

    def run(self, text: str) -> tuple[list[str], Any] | None:
        result = self._connection.execute(text)
        if result.description is None:
            return None
        return [each[0] for each in result.description], result


def _table(columns: list[str], rows: Any, max_rows: int, max_bytes: int) -> bytes:
    """`{"columns", "rows", "more"}` with as many rows as are allowed; more: whether some lack."""
    taken: list[str] = []
    more = False
    room = max_bytes - len(json.dumps(columns)) - 100
    while (row := rows.fetchone()) is not None:
        text = json.dumps([_plain(value, 0) for value in row], allow_nan=False)
        room -= len(text) + 2
        if len(taken) == max_rows or room < 0:
            more = True
            break
        taken.append(text)
    head = json.dumps({"columns": columns, "more": more})
    return f'{head[:-1]}, "rows": [{", ".join(taken)}]}}'.encode("ascii")


def _plain(value: Any, depth: int) -> Any:
    """`value` as JSON: what JSON has no type for becomes text, bytes as hexadecimal digits."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if depth < _MAX_NESTING and isinstance(value, (list, tuple)):
        return [_plain(each, depth + 1) for each in value]
    if depth < _MAX_NESTING and isinstance(value, dict):
        return {str(key): _plain(each, depth + 1) for key, each in value.items()}
    return str(value)
