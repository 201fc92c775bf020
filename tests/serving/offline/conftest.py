"""Plans for tasks, checked for their form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from treadle.serving.offline.planning import plan_task

TOOLS = frozenset(
    {
        "calculate", "list_files", "read_file", "search_files", "file_statistics",
        "describe_table", "query_table", "fetch_url", "current_time", "date_difference",
        "add_to_date", "text_statistics", "summarize", "summarize_file", "compare_texts", "sort_records",
        "count_items", "sum_field", "render_list",
    }
)  # fmt: skip
_STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_-]*)")


Planner: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="session")
def plan() -> Planner:
    """Makes the wire form of the plan for a task, and checks its form."""

    def made(task: str, earlier: str = "") -> Any:
        planned: Any = plan_task(task, TOOLS, earlier)
        check_form(planned)
        return planned

    return made


def check_form(made: Any) -> None:
    """A plan's ids are unique and well-formed, and references go backwards only."""
    assert list(made) == ["steps", "answer"]
    known: set[str] = set()
    for step in made["steps"]:
        assert _STEP_ID.fullmatch(step["id"])
        assert step["id"] not in known | {"item", "index"}
        assert step["tool"] in TOOLS
        inside = {"item", "index"} if "for_each" in step else set[str]()
        assert references(step["args"]) <= known | inside
        assert references(step.get("for_each", "")) <= known
        known.add(step["id"])
    assert isinstance(made["answer"], str)
    assert made["answer"].strip()
    assert references(made["answer"]) <= known


def references(value: Any) -> set[str]:
    """The names at the heads of the references in `value`."""
    return set(_REFERENCE.findall(json.dumps(value, ensure_ascii=False)))
