"""Texts, lists, records and dates."""

from typing import Any

import pytest

from treadle.core.errors import ToolError
from treadle.tools import ToolRegistry

STORY = """# The mill

The mill weaves cloth. Cloth is woven on looms, and the mill has twelve looms.

```python
looms = 12
```

It rained on Tuesday. The looms of the mill weave cloth for boats.
"""


async def call(tools: ToolRegistry, name: str, **arguments: Any) -> Any:
    return await tools[name].call(arguments)


async def code_of(tools: ToolRegistry, name: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await tools[name].call(arguments)
    return caught.value.code


async def test_summarize_keeps_whole_sentences_in_order(tools: ToolRegistry) -> None:
    summary = await call(tools, "summarize", text=STORY, sentences=2)
    assert "Tuesday" not in summary
    assert "looms = 12" not in summary
    assert summary.count(".") == 2
    assert summary == await call(tools, "summarize", text=STORY, sentences=2)
    assert await code_of(tools, "summarize", text="  ") == "empty_text"
    assert await call(tools, "summarize", text="Looms weave. " * 80_000, sentences=1)


async def test_text_statistics(tools: ToolRegistry) -> None:
    counts = await call(tools, "text_statistics", text="One two. Three!\nFour")
    assert counts == {"characters": 20, "words": 4, "lines": 2, "sentences": 3}


async def test_compare_texts(tools: ToolRegistry) -> None:
    same = await call(tools, "compare_texts", a="x\ny", b="x\ny")
    assert same["equal"]
    other = await call(tools, "compare_texts", a="x\ny\nz", b="x\nz\nw\nv")
    assert (other["only_in_a"], other["only_in_b"]) == (1, 2)
    assert other["similarity"] == round(4 / 7, 4)
    assert "-y" in other["diff"]
    long = await call(tools, "compare_texts", a="a\n" * 40_000, b="b\n" * 40_000)
    assert (long["similarity"], long["only_in_a"]) == (0.0, 40_000)


async def test_sort_records(tools: ToolRegistry) -> None:
    records = [{"n": 1}, {"n": None}, {"n": 3}, {"n": 2}]
    best = await call(tools, "sort_records", records=records, by="n", limit=2)
    assert [each["n"] for each in best] == [3, 2]
    lowest = await call(tools, "sort_records", records=records, by="n", descending=False)
    assert [each["n"] for each in lowest] == [1, 2, 3, None]
    assert await code_of(tools, "sort_records", records=records, by="x") == "unknown_field"
    mixed = [{"n": 1}, {"n": "a"}]
    assert await code_of(tools, "sort_records", records=mixed, by="n") == "not_comparable"


async def test_sums_and_counts(tools: ToolRegistry) -> None:
    assert await call(tools, "sum_field", records=[{"a": 1}, {"a": 2.5}, {}], field="a") == 3.5
    assert await call(tools, "sum_field", records=[], field="a") == 0
    assert await code_of(tools, "sum_field", records=[{"a": "x"}], field="a") == "not_a_number"
    assert await call(tools, "count_items", items=[1, [2], None]) == 3


async def test_render_list(tools: ToolRegistry) -> None:
    records = [{"path": "a", "size": {"lines": 1}}, {"path": "{index}", "size": {"lines": 2}}]
    text = await call(
        tools, "render_list", items=records, line="{index}. {path}: {size.lines} {not a place}"
    )
    assert text == "1. a: 1 {not a place}\n2. {index}: 2 {not a place}"
    assert await call(tools, "render_list", items=["x", 2, {"k": 1}]) == '- x\n- 2\n- {"k":1}'
    assert await call(tools, "render_list", items=[]) == "(none)"
    assert await code_of(tools, "render_list", items=["x"], line="{path}") == "unknown_field"
    hostile = "{item.__class__}"
    assert await code_of(tools, "render_list", items=["x"], line=hostile) == "unknown_field"


async def test_dates(tools: ToolRegistry) -> None:
    span = await call(tools, "date_difference", start="2024-01-01", end="2024-03-01")
    assert (span["days"], span["text"]) == (60, "60 days")
    back = await call(tools, "date_difference", start="2024-03-01", end="2024-01-01")
    assert back["days"] == -60
    moment = await call(tools, "current_time", timezone="Asia/Tokyo")
    assert moment.endswith("+09:00")
    until = await call(tools, "date_difference", start=moment, end="9999-12-31")
    assert until["days"] > 2_000_000
    assert await call(tools, "add_to_date", date="2024-01-31", months=1) == "2024-02-29"
    assert await call(tools, "add_to_date", date="2024-02-29", years=1, days=-1) == "2025-02-27"
    assert await code_of(tools, "current_time", timezone="Mars/Crater") == "unknown_timezone"
    assert await code_of(tools, "date_difference", start="soon", end="2024-01-01") == "bad_date"
    assert await code_of(tools, "add_to_date", date="9999-12-31", days=1) == "date_out_of_range"
    assert (
        await code_of(tools, "add_to_date", date="2024-01-01", years=10**9) == "date_out_of_range"
    )


async def test_hostile_texts_take_bounded_time(tools: ToolRegistry) -> None:
    assert await call(tools, "summarize", text="\n" * 500_000 + "x") == "x"
    few = await call(tools, "compare_texts", a="x\n" * 1500, b="x\ny\n" * 740)
    assert (few["only_in_a"], few["only_in_b"]) == (760, 740)


async def test_dates_keep_their_form(tools: ToolRegistry) -> None:
    naive = await call(tools, "add_to_date", date="2024-01-01T10:00", days=1)
    assert naive == "2024-01-02T10:00:00"
    assert await call(tools, "add_to_date", date="20240101", weeks=1) == "2024-01-08"
    spaced = await call(tools, "date_difference", start="2024-01-01 06:00", end="2024-01-01T18:00")
    assert spaced["seconds"] == 43_200


async def test_render_list_follows_paths_and_is_bounded(tools: ToolRegistry) -> None:
    items = [{"rows": [{"n": 1}, {"n": 2}]}]
    assert (
        await call(tools, "render_list", items=items, line="{rows[1].n} {item.rows[0].n}") == "2 1"
    )
    assert await code_of(tools, "render_list", items=items, line="{rows[7].n}") == "unknown_field"
    large = ["x" * 100_000] * 50
    assert await code_of(tools, "render_list", items=large, line="{item}" * 20) == "text_too_large"


async def test_texts_that_differ_in_their_end_only(tools: ToolRegistry) -> None:
    compared = await call(tools, "compare_texts", a="a", b="a\n")
    assert not compared["equal"]
    assert "ends" in compared["diff"]
