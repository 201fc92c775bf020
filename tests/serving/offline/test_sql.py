"""The SQL that the stand-in writes, run by DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.serving.offline.sql import (
    Aggregate,
    Filter,
    Question,
    aggregate_query,
    rows_query,
    table_name,
    values_query,
)

Planner: TypeAlias = Callable[..., Any]
_ROWS = """
    CREATE TABLE sales AS SELECT * FROM (VALUES
        ('north', 'Paid', 10.5, 2, DATE '2024-01-05'),
        ('south', 'open', 20.25, 1, DATE '2024-02-01'),
        ('north', 'paid', 5.25, 4, DATE '2024-03-01')
    ) AS t("Region", status, "Unit Price", quantity, day)
"""


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("total unit price by region in sales.csv", [("south", 20.25), ("north", 15.75)]),
        ("how many rows per status in sales.csv", [("Paid", 1), ("open", 1), ("paid", 1)]),
        ("total quantity in sales.csv where status is paid", [(6,)]),
        ("which region has the highest total quantity in sales.csv", [("north", 6)]),
        ("which region has the lowest average unit-price in sales.csv", [("north", 7.875)]),
        ("how many rows in sales.csv where day is after 2024-01-31", [(2,)]),
        ("number of distinct regions in sales.csv", [(2,)]),
        ("list the distinct regions in sales.csv", [("north",), ("south",)]),
        ("min and max of quantity in sales.csv", [(1, 4)]),
        ("total and average quantity per region in sales.csv", [("north", 6, 3), ("south", 1, 1)]),
        ("top 1 rows by quantity in sales.csv", None),
    ],
)
def test_results(plan: Planner, task: str, expected: list[tuple[Any, ...]] | None) -> None:
    sql = next(s["args"]["sql"] for s in plan(task)["steps"] if s["tool"] == "query_table")
    found = _run(sql)
    if expected is None:
        assert len(found) == 1
        assert found[0][3] == 4
    else:
        assert [tuple(float(v) if not isinstance(v, str) else v for v in row) for row in found] == [
            tuple(float(v) if isinstance(v, int) else v for v in row) for row in expected
        ]


@given(st.text(max_size=40))
def test_texts_do_not_break_out(text: str) -> None:
    name = text if text.strip() else "x"
    filters = (Filter("status", "=", text),)
    columns = Question((Aggregate("sum", name),), (name,), (Filter(name, "=", text),), 3)
    for sql in (
        aggregate_query(f"{text}.csv", columns),
        values_query(f"{text}.csv", name, filters),
        rows_query(f"{text}.csv", filters, 5, name, ascending=True),
    ):
        statements = duckdb.extract_statements(sql)
        assert len(statements) == 1
        assert statements[0].type == duckdb.StatementType.SELECT


@given(st.text(max_size=40))
@example("\N{TAKRI DIGIT ZERO}")
def test_values_are_compared_as_they_are(text: str) -> None:
    sql = aggregate_query(
        "sales.csv", Question((Aggregate("count"),), (), (Filter("status", "=", text),))
    )
    expected = {"paid": 2, "open": 1}.get(text.replace("\x00", "").lower(), 0)
    assert _run(sql) == [(expected,)]


def test_table_names_are_quoted() -> None:
    assert table_name('da"ta/my sales (1).csv') == '"my_sales__1_"'


def _run(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute(_ROWS)
        return connection.execute(sql).fetchall()
