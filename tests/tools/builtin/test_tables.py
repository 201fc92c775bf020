"""Tables by SQL: results as JSON, and a database that reaches nothing else."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools import ToolRegistry
from treadle.tools.builtin.tables import distinct


async def query(tools: ToolRegistry, sql: str, *files: str) -> Any:
    return await tools["query_table"].call({"sql": sql, "files": list(files) or ["sales.csv"]})


async def test_aggregates(tools: ToolRegistry) -> None:
    sql = "SELECT region, sum(amount) AS total FROM sales GROUP BY region ORDER BY total"
    assert await query(tools, sql) == [
        {"region": "north", "total": 15.0},
        {"region": "south", "total": 20.5},
    ]


async def test_dates_and_missing_values_become_json(tools: ToolRegistry) -> None:
    rows = await query(
        tools, "SELECT max(day) AS day, NULL AS nothing, 'nan'::DOUBLE AS odd FROM sales"
    )
    assert rows == [{"day": "2024-01-03", "nothing": None, "odd": None}]


async def test_json_lines_parquet_and_joins(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "people.jsonl").write_text('{"name": "ada", "region": "north"}\n', "utf-8")
    (workspace / "rates.json").write_text('[{"region": "north", "rate": 2}]', "utf-8")
    pq.write_table(pa.table({"region": ["north"], "size": [7]}), workspace / "sizes.parquet")  # type: ignore[no-untyped-call]
    sql = """SELECT name, rate * size AS product FROM people
             JOIN rates USING (region) JOIN sizes USING (region)"""
    rows = await query(tools, sql, "people.jsonl", "rates.json", "sizes.parquet")
    assert rows == [{"name": "ada", "product": 14}]


async def test_describe_table(tools: ToolRegistry) -> None:
    table = await tools["describe_table"].call({"path": "sales.csv"})
    assert isinstance(table, dict)
    assert table["rows"] == 3
    assert table["columns"][0] == {"name": "region", "type": "VARCHAR"}  # type: ignore[index,call-overload]


async def test_columns_with_the_same_name_are_kept_apart(tools: ToolRegistry) -> None:
    rows = await query(tools, "SELECT region, region FROM sales LIMIT 1")
    assert rows == [{"region": "north", "region_2": "north"}]


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b", "A"]), min_size=1, max_size=8))
def test_no_column_is_lost(names: list[str]) -> None:
    """Whatever the columns are called: one key for each, and a first name stays as it is."""
    keys = distinct(names)
    assert len(set(keys)) == len(names)
    assert all(keys[names.index(name)] == name for name in names)


async def test_a_numbered_name_does_not_hide_another(tools: ToolRegistry) -> None:
    rows = await query(tools, "SELECT 1 AS a, 2 AS a, 3 AS a_2")
    assert rows == [{"a": 1, "a_3": 2, "a_2": 3}]


async def test_intervals_and_zoned_times_of_the_same_name(tools: ToolRegistry) -> None:
    at = "TIMESTAMPTZ '2024-01-02 03:04:05+00' AS at"
    rows = await query(tools, f"SELECT {at}, {at}, INTERVAL 14 MONTH AS span -- as text")
    assert rows[0]["at"] == rows[0]["at_2"]
    assert rows[0]["span"] == "1 year 2 months"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT missing FROM sales", "bad_query"),
        ("SELEC", "bad_query"),
        ("", "bad_query"),
        ("DELETE FROM sales", "bad_query"),
        ("SELECT 1; SELECT 2", "bad_query"),
        ("COPY sales TO 'out.csv'", "bad_query"),
        ("ATTACH 'other.db'", "bad_query"),
        ("SET enable_external_access = true", "bad_query"),
        ("SELECT * FROM read_text('/etc/passwd')", "bad_query"),
        ("SELECT * FROM '/etc/passwd'", "bad_query"),
        ("SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')", "bad_query"),
        ("SELECT * FROM range(20000)", "too_many_rows"),
    ],
)
async def test_refused_queries(tools: ToolRegistry, sql: str, code: str) -> None:
    with pytest.raises(ToolError) as caught:
        await query(tools, sql)
    assert caught.value.code == code


async def test_bad_files(tools: ToolRegistry, workspace: Path) -> None:
    (workspace / "empty.csv").write_text("", "utf-8")
    (workspace / "broken.json").write_text('{"a": [1, ', "utf-8")
    (workspace / "docs" / "sales.csv").write_text("a\n1\n", "utf-8")
    for files, code in (
        (["empty.csv"], "bad_table"),
        (["broken.json"], "bad_table"),
        (["a.txt"], "unknown_table_format"),
        (["missing.csv"], "file_not_found"),
        (["../x.csv"], "path_outside_workspace"),
        (["sales.csv", "docs/sales.csv"], "duplicate_table"),
        ([], "invalid_arguments"),
    ):
        with pytest.raises(ToolError) as caught:
            await tools["query_table"].call({"sql": "SELECT 1", "files": files})
        assert caught.value.code == code, files


async def test_a_query_that_never_ends_is_interrupted(tools: ToolRegistry) -> None:
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b, range(10000000) c"
    with pytest.raises(ToolError) as caught:
        await tools["query_table"].call({"sql": endless, "files": ["sales.csv"]}, timeout=0.5)
    assert caught.value.code == "tool_timeout"


async def test_times_with_a_zone(tools: ToolRegistry) -> None:
    rows = await query(tools, "SELECT TIMESTAMPTZ '2024-01-02 03:04:05+00' AS at, 1 AS n")
    assert rows[0]["at"].startswith("2024-01-02T")
    assert rows[0]["n"] == 1


async def test_the_temporary_folder_is_out_of_reach(
    tools: ToolRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """duckdb lets SQL read its temporary folder, `.tmp` by default, in spite of the lock."""
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "canary").write_text("canary", "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError) as caught:
        await query(tools, "SELECT content FROM read_text('.tmp/canary')")
    assert caught.value.code == "bad_query"


async def test_a_query_that_is_no_text(tools: ToolRegistry) -> None:
    with pytest.raises(ToolError) as caught:
        await query(tools, "SELECT '\ud800'")
    assert caught.value.code == "bad_query"
