"""Durations of tools survive the process: the next one reads them from the journal."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.crashing import SECONDS, allow, crash, open_runtime

from treadle import Plan, Runtime, tool
from treadle.core.database import Database, DatabaseUrl
from treadle.core.durations import DEFAULT_SECONDS, SeenDuration, ToolDurations
from treadle.core.events import StepFinished, StepStarted
from treadle.executor.journal.durations import recorded_durations
from treadle.executor.step_key import call_pattern
from treadle.testing import ScriptedModel

PLAN = Plan.from_wire(
    {
        "steps": [
            {"id": "a", "tool": "look", "args": {"x": 1}},
            {"id": "b", "tool": "write", "args": {"x": 2}, "after": ["a"]},
            {"id": "c", "tool": "fail", "args": {"x": 3}, "after": ["b"]},
            {"id": "d", "tool": "look", "args": {"x": "${item}"}, "for_each": [1, 2]},
        ]
    }
)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


async def learned(url: str, **limits: int) -> list[SeenDuration]:
    database = Database(DatabaseUrl.parse(url))
    try:
        return await recorded_durations(database, **limits)
    finally:
        await database.close()


async def test_what_calls_took_is_read_from_the_journal(url: str, tmp_path: Path) -> None:
    (tmp_path / "fail-3").touch()
    async with open_runtime(url, tmp_path, approve=allow) as runtime:
        result = await runtime.run(PLAN)
    times: dict[str, float] = {}
    for event in result.events:
        if isinstance(event, StepStarted):
            times[event.step_id] = event.at
        if isinstance(event, StepFinished):
            times[event.step_id] = event.at - times[event.step_id]
    # Neither what failed nor the whole of a fan-out says how long a call takes.
    seen = await learned(url)
    assert [name for name, _, _ in seen] == ["look", "write"]
    assert [pattern for _, _, pattern in seen] == [call_pattern({"x": 1}), call_pattern({"x": 2})]
    assert [seconds for _, seconds, _ in seen] == pytest.approx([times["a"], times["b"]], abs=1e-5)
    assert await learned(url, events=1) == []
    assert await learned(url, runs=0) == []


async def test_a_call_that_two_processes_worked_on_does_not_count(url: str, tmp_path: Path) -> None:
    wire: dict[str, Any] = {
        "steps": [
            {"id": "a", "tool": "look", "args": {"x": 1}},
            {"id": "b", "tool": "checked", "args": {"x": 2}, "after": ["a"]},
        ]
    }
    (tmp_path / "die-2").touch()
    crash(url, tmp_path, wire)
    (tmp_path / "die-2").unlink()
    async with open_runtime(url, tmp_path, approve=allow) as runtime:
        result = await runtime.resume("run-1")
    assert result.status == "succeeded"
    assert [name for name, _, _ in await learned(url)] == ["look"]


async def test_an_empty_database_teaches_nothing(url: str) -> None:
    assert await learned(url) == []


async def test_a_new_process_expects_what_the_last_one_saw(url: str, tmp_path: Path) -> None:
    """Seen through what the runtime does: the longer path starts first."""
    order: list[str] = []

    @tool
    async def slow(x: int) -> int:
        """Take long."""
        order.append(f"slow{x}")
        await asyncio.sleep(0.3)  # longer than a busy machine holds up the other
        return x

    @tool
    async def fast(x: int) -> int:
        """Take no time."""
        order.append(f"fast{x}")
        return x

    steps: Any = [
        {"id": "f", "tool": "fast", "args": {"x": 1}},
        {"id": "s", "tool": "slow", "args": {"x": 1}},
    ]
    plan = Plan.from_wire({"steps": steps})

    def opened() -> Runtime:
        return Runtime(
            model=ScriptedModel([]), tools=[slow, fast], builtins=False, database=url,
            max_parallel=1, artifacts=tmp_path,
        )  # fmt: skip

    async with asyncio.timeout(SECONDS), opened() as first:
        await first.run(plan)
        await first.run(plan)
    assert order == ["fast1", "slow1", "slow1", "fast1"]
    order.clear()
    async with asyncio.timeout(SECONDS), opened() as second:
        await second.learned()
        await second.run(plan)
    assert order == ["slow1", "fast1"]


def test_what_this_process_saw_is_known_better() -> None:
    history = ToolDurations()
    history.observe("a", 2.0)
    history.seed([("a", 9.0, ""), ("b", 5.0, ""), ("b", 5.0, "p")])
    assert history.expected_seconds("a") == pytest.approx(2.0)
    assert history.expected_seconds("b") == pytest.approx(5.0)
    assert history.expected_seconds("c") == DEFAULT_SECONDS
