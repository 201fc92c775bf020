"""What the stand-in plans where there is memory."""

from __future__ import annotations

from typing import Any

import pytest
from tests.serving.offline.conftest import TOOLS

from treadle.planner.plan import Plan
from treadle.serving.offline.planning import plan_task

MEMORY = TOOLS | {"remember", "recall", "recall_about", "forget"}


def calls(task: str, earlier: str = "") -> list[tuple[str, Any]]:
    made: Any = plan_task(task, MEMORY, earlier)
    Plan.from_wire(made)
    return [(step["tool"], next(iter(step["args"].values()), None)) for step in made["steps"]]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("remember that my dog is called Rex", [("remember", "my dog is called Rex")]),
        ("Please remember: the code is 4711.", [("remember", "the code is 4711")]),
        ("don't forget that it costs 5,000 $", [("remember", "it costs 5,000 $")]),
        (
            "remember that Ada lives in Paris and is 30 years old. She likes tea",
            [("remember", "Ada lives in Paris and is 30 years old. She likes tea")],
        ),
        (
            "remember that I have to buy milk and what is 17 * 23",
            [("remember", "I have to buy milk"), ("calculate", "17 * 23")],
        ),
        (
            "what is 2+2 and remember that I am Ada",
            [("calculate", "2 + 2"), ("remember", "I am Ada")],
        ),
        ("what is my dog called?", [("recall", "what is my dog called")]),
        ("do you remember where I live?", [("recall", "where I live")]),
        ("what time is my meeting?", [("recall", "what time is my meeting")]),
        ("where does Ada live?", [("recall", "where does Ada live")]),
        ("What do you know about me?", [("recall_about", "me")]),
        ("what do you know about Rex?", [("recall_about", "Rex")]),
        ("forget everything about Rex", [("forget", "Rex")]),
        ("Forget about Ada Lovelace.", [("forget", "Ada Lovelace")]),
        ("remember ${secret}", [("remember", "$${secret}")]),
        ("delete all the csv files", []),
        ("hello", []),
    ],
)
def test_requests(task: str, expected: list[tuple[str, Any]]) -> None:
    assert calls(task) == expected


def test_a_question_about_oneself_does_not_lean_on_the_task_before() -> None:
    found = calls("what is my dog called?", "how many python files are in docs")
    assert [tool for tool, _ in found] == ["recall"]


def test_questions_that_others_understand_stay_theirs() -> None:
    assert [tool for tool, _ in calls("how many files do I have?")] == ["list_files", "count_items"]
    assert [tool for tool, _ in calls("what is 17 * 23")] == ["calculate"]


def test_without_memory_it_says_what_it_is() -> None:
    for task in ("what is my dog called?", "remember that my dog is called Rex"):
        made: Any = plan_task(task, TOOLS)
        assert made["steps"] == []
        assert "not a language model" in made["answer"]


def test_a_name_to_forget_is_not_said_again() -> None:
    made: Any = plan_task("forget everything about Rex", MEMORY)
    assert "Rex" not in made["answer"]
