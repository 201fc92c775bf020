"""Another way for a run, from one of its steps on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.agents.nested_world import world
from tests.crashing import SECONDS, allow, happened

from treadle import Plan, PlanError, RunError, Runtime
from treadle.core.budget import Budget
from treadle.core.events import ApprovalRequested, RunStarted
from treadle.executor import RunResult
from treadle.executor.approval import ApprovalRequest
from treadle.testing import ScriptedModel

PLAN = Plan.from_wire(
    {
        "steps": [
            {"id": "a", "tool": "look", "args": {"x": "a"}},
            {"id": "b", "tool": "note", "args": {"x": "${a}"}},
            {"id": "c", "tool": "look", "args": {"x": "${b}"}},
            {"id": "other", "tool": "note", "args": {"x": "o"}},
        ],
        "answer": "${c} and ${other}",
    }
)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@asynccontextmanager
async def opened(url: str | None, folder: Path, **options: Any) -> AsyncIterator[Runtime]:
    numbers = count(1)
    options.setdefault("approve", allow)
    options.setdefault("model", ScriptedModel([]))
    runtime = Runtime(
        tools=world(folder), builtins=False, database=url, artifacts=folder / "artifacts",
        new_id=lambda: f"run-{next(numbers)}", **options,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS), runtime:
        yield runtime


def statuses(result: RunResult) -> dict[str, str | None]:
    return {step.id: step.status for step in result.steps}


async def test_what_does_not_depend_on_the_step_stays_done(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        first = await runtime.run(PLAN)
        fork = await runtime.fork("run-1", "b")
        assert fork.run_id == "run-2"
        assert fork.answer == first.answer
        assert statuses(fork) == statuses(first)
        assert (tmp_path / "look").read_text().splitlines().count("a") == 1
        assert sorted(happened(tmp_path, "note")) == ["a", "a", "o"]
        assert runtime.journal is not None
        row = await runtime.journal.row("run-2")
        assert (row.forked_from, row.status, row.parent_id) == ("run-1", "succeeded", None)
        started = (await runtime.journal.events("run-2"))[0]
        assert isinstance(started, RunStarted)
        assert started.forked_from == "run-1/b"
        # The run that it comes from is as it was.
        assert len(await runtime.journal.events("run-1")) == len(first.events)


async def test_effects_are_not_repeated_silently(url: str, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    async def deny(request: ApprovalRequest) -> bool:
        asked.append(tuple(call.step_id for call in request.calls))
        return False

    async with opened(url, tmp_path) as runtime:
        first = await runtime.run(PLAN)
        # It can be undone, so it did not ask; done once more it does.
        assert not any(isinstance(event, ApprovalRequested) for event in first.events)
        fork = await runtime.fork("run-1", "a", approve=deny)
    assert asked == [("b",)]
    assert statuses(fork) == {
        "a": "succeeded", "b": "failed", "c": "skipped", "other": "succeeded",
    }  # fmt: skip
    assert happened(tmp_path, "note").count("a") == 1


async def test_a_fork_that_waits_still_asks_after_a_resume(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path, approve=None) as runtime:
        await runtime.run(PLAN)
        fork = await runtime.fork("run-1", "b")
        assert fork.status == "waiting"
        assert (await runtime.resume("run-2")).status == "waiting"
        assert happened(tmp_path, "note").count("a") == 1
        assert (await runtime.resume("run-2", approve=allow)).status == "succeeded"
    assert happened(tmp_path, "note").count("a") == 2


async def test_the_step_can_have_other_arguments(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        await runtime.run(PLAN)
        fork = await runtime.fork("run-1", "b", arguments={"x": "new ${a}"})
        assert fork.answer == "noted new a and noted o"
        assert fork.plan is not None
        assert fork.plan["b"].args == {"x": "new ${a}"}
        for arguments in ({"y": 1}, {"x": "${c}"}, {"x": "${nobody}"}):
            with pytest.raises(PlanError):
                await runtime.fork("run-1", "b", arguments=arguments)


async def test_a_failed_run_goes_on_from_an_earlier_step(url: str, tmp_path: Path) -> None:
    steps: Any = [
        {"id": "a", "tool": "look", "args": {"x": "a"}},
        {"id": "b", "tool": "fail", "args": {"x": "${a}"}},
        {"id": "c", "tool": "look", "args": {"x": "c"}},
    ]
    (tmp_path / "fail-a").touch()
    async with opened(url, tmp_path) as runtime:
        assert (await runtime.run(Plan.from_wire({"steps": steps, "answer": "${b}"}))).error
        # What failed is not done, and runs anew with whatever else does.
        (tmp_path / "fail-a").unlink()
        fork = await runtime.fork("run-1", "c")
    assert (fork.status, fork.answer) == ("succeeded", "did not fail a")
    assert happened(tmp_path, "look") == ["a", "c", "c"]


async def test_a_task_in_words_is_answered_anew(url: str, tmp_path: Path) -> None:
    steps: Any = [{"id": "a", "tool": "look", "args": {"x": "a"}}]
    said: list[Any] = [{"action": "answer", "answer": text} for text in ("one", "two")]
    model = ScriptedModel([{"steps": steps}, *said])
    async with opened(url, tmp_path, model=model) as runtime:
        first = await runtime.run("look")
        fork = await runtime.fork("run-1", "a", output_type=str)
    assert (first.answer, fork.answer, fork.output) == ("one", "two", "two")


async def test_what_a_fork_took_over_is_not_undone_from_it(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        await runtime.run(PLAN)
        await runtime.fork("run-1", "b")
        assert [each.step_id for each in await runtime.undo("run-2")] == ["b"]
        assert [each.step_id for each in await runtime.undo("run-1")] == ["other", "b"]


async def test_a_fork_can_be_forked(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        first = await runtime.run(PLAN)
        await runtime.fork("run-1", "c")
        third = await runtime.fork("run-2", "c")
        assert third.answer == first.answer
    assert happened(tmp_path, "note").count("a") == 1


async def test_the_budget_of_the_run_is_that_of_its_fork(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        assert (await runtime.run(PLAN, budget=Budget(steps=3))).status == "failed"
        assert (await runtime.fork("run-1", "c")).status == "succeeded"
        assert (await runtime.fork("run-1", "a")).status == "succeeded"
        fork = await runtime.fork("run-1", "a", budget=Budget(steps=1))
        assert fork.error is not None
        assert fork.error.code == "budget_exceeded"


async def test_what_cannot_be_forked_says_why(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as runtime:
        await runtime.run(PLAN)
        for source, code in ((("run-9", "a"), "run_not_found"), (("run-1", "z"), "unknown_step")):
            with pytest.raises(RunError) as caught:
                await runtime.fork(*source)
            assert caught.value.code == code
