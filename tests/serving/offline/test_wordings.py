"""What the stand-in plans for many wordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from treadle.planner.plan import Plan
from treadle.serving.offline.planning import plan_task

Planner: TypeAlias = Callable[..., Any]
_HERE = Path(__file__).parent

_CASES = [
    tuple(field.strip() for field in line.split(" | "))
    for line in (_HERE / "wordings.txt").read_text(encoding="utf-8").splitlines()[1:]
]


@pytest.mark.parametrize(("task", "tools", "pieces"), _CASES)
def test_wording(plan: Planner, task: str, tools: str, pieces: str) -> None:
    made = plan(task.replace("\\n", "\n"))
    shown = [step["tool"] + ("*" if "for_each" in step else "") for step in made["steps"]]
    assert sorted(shown) == sorted(tools.split())
    text = json.dumps(made, ensure_ascii=False)
    assert [piece for piece in pieces.split(" ;; ") if piece not in text] == []
    assert "Not understood" not in made["answer"]
    Plan.from_wire(made)


def tools_of(made: Any) -> list[str]:
    return [step["tool"] for step in made["steps"]]


@pytest.mark.parametrize("task", (_HERE / "out_of_range.txt").read_text().splitlines())
def test_out_of_range_gets_a_plain_answer(plan: Planner, task: str) -> None:
    made = plan(task)
    assert tools_of(made) == []
    assert "not a language model" in made["answer"]
    assert "TREADLE_MODEL" in made["answer"]


def test_a_part_that_is_not_understood_is_named(plan: Planner) -> None:
    made = plan("compare a.md and b.md by lines and write me a poem")
    assert tools_of(made) == ["file_statistics", "file_statistics", "sort_records"]
    assert 'Not understood, and not done: "write me a poem"' in made["answer"]


def test_a_part_whose_tool_is_not_on_offer_is_named() -> None:
    made: Any = plan_task("what is 2+2 and what time is it", frozenset({"calculate"}))
    assert [step["tool"] for step in made["steps"]] == ["calculate"]
    assert "current_time" in made["answer"]


def test_independent_parts_do_not_depend_on_each_other(plan: Planner) -> None:
    made = plan("compare a.md and b.md by lines, tell me 17*23, and list the csv files")
    by_tool = {step["tool"]: step for step in made["steps"]}
    for tool in ("calculate", "list_files", "file_statistics"):
        assert "${" not in json.dumps(by_tool[tool])
        assert "after" not in by_tool[tool]


@pytest.mark.parametrize(
    ("earlier", "task", "piece"),
    [
        ("compare a.txt and b.txt by lines", "and by words?", '"by": "words"'),
        ("summarise README.md in 2 sentences", "now do the same for NEWS.md", '"path": "NEWS.md"'),
        ("how many lines does a.txt have", "what about c.txt?", "c.txt: ${stats_c_txt.lines}"),
        ("how many python files are in docs", "and in src?", '"folder": "src"'),
        ("total amount by region in sales.csv", "and by product?", "(?:product|products)"),
        ("list the markdown files in docs", "how many are there?", "count_items"),
    ],
)
def test_follow_up(plan: Planner, earlier: str, task: str, piece: str) -> None:
    assert piece in json.dumps(plan(task, earlier))


def test_a_new_task_does_not_take_over_the_earlier_one(plan: Planner) -> None:
    assert tools_of(plan("what is 2+2", "total amount by region in sales.csv")) == ["calculate"]
