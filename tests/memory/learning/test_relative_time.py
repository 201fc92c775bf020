"""Tasks that mean another time whenever they are asked."""

from __future__ import annotations

import pytest

from treadle.memory.learning.relative_time import says_when


@pytest.mark.parametrize(
    "task",
    [
        "remind me tomorrow",
        "what is due Today?",
        "book a table on saturday",
        "show the sales of next  week",
        "wake me in 3 hours",
        "what was said two days ago",
        "list the meetings of the last 3 months",
    ],
)
def test_a_time_from_now_is_seen(task: str) -> None:
    assert says_when(task)


@pytest.mark.parametrize(
    "task",
    [
        "delete files older than 30 days",
        "show the last 10 lines of a.txt",
        "sales of 2024-05-01",
        "who may enter the sunroom",
    ],
)
def test_another_task_is_not(task: str) -> None:
    assert not says_when(task)
