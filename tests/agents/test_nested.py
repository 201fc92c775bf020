"""Runs within runs: one journal, one budget, one end; and what kills leave of them."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.agents.nested_world import CHILD, PARENT_PLAN, child_plan, open_both, run_until, world
from tests.crashing import SECONDS, elsewhere, happened

from treadle import Plan, Runtime
from treadle.core.budget import Budget
from treadle.core.errors import ConfigError, PlanError
from treadle.core.events import ChildRunFinished, DoubtSettled, RunStarted, StepStarted
from treadle.executor import RunResult
from treadle.executor.approval import ApprovalRequest
from treadle.testing import ScriptedModel
from treadle.tools import Effect

PLAN = Plan.from_wire(PARENT_PLAN)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@asynccontextmanager
async def both(
    url: str | None, folder: Path, inner: dict[str, Any], **options: Any
) -> AsyncIterator[Runtime]:
    outer, within = open_both(url, folder, inner, **options)
    async with asyncio.timeout(SECONDS), within, outer:
        yield outer


def killed(
    url: str, folder: Path, inner: dict[str, Any], at: Any = None, *, effect: str | None = None
) -> None:
    assert elsewhere(run_until, url, folder, inner, at, effect) == -signal.SIGKILL


def step_of(result: RunResult, step_id: str) -> Any:
    return next(step for step in result.steps if step.id == step_id)


async def test_a_call_is_a_run_of_its_own_in_the_same_journal(url: str, tmp_path: Path) -> None:
    async with both(url, tmp_path, child_plan("look", "look")) as outer:
        result = await outer.run(PLAN)
        assert result.status == "succeeded"
        assert result.answer == "c1"
        assert outer.journal is not None
        rows = await outer.journal.children("run-1")
        assert [(row.run_id, row.status) for row in rows] == [(CHILD, "succeeded")]
        events = await outer.journal.events(CHILD)
        assert isinstance(events[0], RunStarted)
        assert events[0].parent == "run-1/sub"
        told = [each for each in result.events if isinstance(each, ChildRunFinished)]
        assert [(each.child_id, each.calls) for each in told] == [(CHILD, 2)]


async def test_a_task_in_words_is_planned_within(tmp_path: Path) -> None:
    model = ScriptedModel([child_plan("look")])
    async with Runtime(model=model, tools=world(tmp_path), builtins=False) as within:
        helper = within.as_tool("helper", "Helps.", effect="read")
        assert set(helper.signature.names) == {"task"}
        plan: Any = {
            "steps": [{"id": "a", "tool": "helper", "args": {"task": "look at it"}}],
            "answer": "${a}",
        }
        async with Runtime(model=ScriptedModel([]), tools=[helper], builtins=False) as outer:
            result = await outer.run(Plan.from_wire(plan))
    assert result.answer == "c0"
    assert result.usage.calls == 1


async def test_the_effect_is_the_most_severe_and_at_least_a_read(tmp_path: Path) -> None:
    async with Runtime(model=ScriptedModel([]), tools=world(tmp_path), builtins=False) as within:
        assert within.as_tool("a", "A.").effect is Effect.IRREVERSIBLE
        for name, effect in (("size", "read"), ("look", "read"), ("write", "write")):
            plan = Plan.from_wire({"steps": [{"id": "s", "tool": name, "args": {"x": "1"}}]})
            assert within.as_tool("a", "A.", plan=plan).effect == effect
        with pytest.raises(ConfigError):
            within.as_tool("a", "A.", effect="pure")
        with pytest.raises(ConfigError):
            within.as_tool("not a name", "A.")
        with pytest.raises(PlanError):
            within.as_tool("a", "A.", plan=Plan.from_wire({"steps": [{"id": "s", "tool": "x"}]}))


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_killed_run_goes_on_where_the_run_within_was(
    url: str, tmp_path: Path, effect: str
) -> None:
    # An intent is on the disk, and with it all that was before.
    inner = child_plan("look", "note", "put")
    (tmp_path / "die-early-c2").touch()
    killed(url, tmp_path, inner, effect=effect)
    (tmp_path / "die-early-c2").unlink()
    async with both(url, tmp_path, inner, effect=effect) as outer:
        result = await outer.resume("run-1")
    assert (result.status, result.answer) == ("succeeded", "put c2")
    assert happened(tmp_path, "look").count("c0") == 1
    assert happened(tmp_path, "note") == ["c1"]
    assert happened(tmp_path, "put-x") == ["c2"]
    settled = [each.decision for each in result.events if isinstance(each, DoubtSettled)]
    assert settled == (["idempotent"] if effect == "write" else [])


async def test_a_run_within_that_ended_before_the_kill_is_not_run_again(
    url: str, tmp_path: Path
) -> None:
    killed(url, tmp_path, child_plan("look", "note"), ("ChildRunFinished", None, None))
    async with both(url, tmp_path, child_plan("look", "note")) as outer:
        result = await outer.resume("run-1")
    assert (result.status, result.answer) == ("succeeded", "noted c1")
    assert happened(tmp_path, "note") == ["c1"]
    told = [each for each in result.events if isinstance(each, ChildRunFinished)]
    assert sum(each.calls for each in told) == 2


async def test_what_is_in_doubt_within_makes_the_outer_step_wait(url: str, tmp_path: Path) -> None:
    (tmp_path / "die-c1").touch()
    inner = child_plan("look", "write", "look")
    killed(url, tmp_path, inner)
    (tmp_path / "die-c1").unlink()
    async with both(url, tmp_path, inner) as outer:
        result = await outer.resume("run-1")
        assert result.status == "waiting"
        waiting = step_of(result, "sub")
        assert waiting.status == "waiting"
        assert waiting.error.code == "nested_run_waits"
        assert f"{CHILD}/s1" in waiting.error.message
        assert happened(tmp_path, "write") == ["c1"]
        result = await outer.resume("run-1", done=[f"{CHILD}/s1"])
    assert (result.status, result.answer) == ("succeeded", "c2")
    assert happened(tmp_path, "write") == ["c1"]
    assert happened(tmp_path, "look").count("c0") == 1


async def test_an_approval_within_waits_and_is_answered_from_elsewhere(
    url: str, tmp_path: Path
) -> None:
    inner = child_plan("look", "mail")
    async with both(url, tmp_path, inner, approve=None, effect="write") as outer:
        result = await outer.run(PLAN)
        assert result.status == "waiting"
        assert f"treadle approve {CHILD} s1" in step_of(result, "sub").error.message
        assert happened(tmp_path, "mail") == []
        assert outer.journal is not None
        await outer.journal.ask(CHILD, "answer", {"step": "s1", "approved": True})
    async with both(url, tmp_path, inner, approve=None, effect="write") as outer:
        result = await outer.resume("run-1")
    assert (result.status, result.answer) == ("succeeded", "sent c1")
    assert happened(tmp_path, "mail") == ["c1"]
    assert happened(tmp_path, "look").count("c0") == 1


async def test_whoever_decides_on_the_outer_run_decides_on_the_one_within(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    async def approve(request: ApprovalRequest) -> bool:
        asked.extend((request.run_id, call.step_id) for call in request.calls)
        return True

    async with both(None, tmp_path, child_plan("mail"), approve=approve, effect="write") as outer:
        assert (await outer.run(PLAN)).status == "succeeded"
    assert asked == [(CHILD, "s0")]


@pytest.mark.parametrize("how", ["cancel", "pause"])
async def test_stopping_the_outer_run_from_elsewhere_stops_the_one_within(
    url: str, tmp_path: Path, how: Any
) -> None:
    inner = child_plan("look", "look")
    hold = tmp_path / "hold-c0"
    if how == "cancel":
        hold.touch()
    async with both(url, tmp_path, inner) as outer:
        assert outer.journal is not None
        stream = outer.stream(PLAN)
        async with stream as run:
            async for event in run:
                if isinstance(event, StepStarted) and event.step_id == "sub":
                    await outer.journal.ask("run-1", how, {}) if how == "cancel" else run.pause()
        result = stream.result
        child = await outer.journal.row(CHILD) if how == "cancel" else None
        assert result.status == {"cancel": "cancelled", "pause": "paused"}[how]
        assert child is None or child.status == "cancelled"
        hold.unlink(missing_ok=True)
        result = await outer.resume("run-1")
    assert (result.status, result.answer) == ("succeeded", "c1")


async def test_a_failed_run_within_is_gone_on_with_when_its_step_is_redone(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "fail-c1").touch()
    inner = child_plan("look", "fail")
    async with both(url, tmp_path, inner) as outer:
        result = await outer.run(PLAN)
        assert result.status == "failed"
        assert step_of(result, "sub").error.code == "nested_run_failed"
        (tmp_path / "fail-c1").unlink()
        result = await outer.resume("run-1", redo=["sub"])
    assert (result.status, result.answer) == ("succeeded", "did not fail c1")
    assert happened(tmp_path, "look").count("c0") == 1


async def test_undo_takes_back_what_the_run_within_did_the_last_first(
    url: str, tmp_path: Path
) -> None:
    inner = child_plan("note", "look", "note", "write")
    async with both(url, tmp_path, inner, effect="write") as outer:
        assert (await outer.run(PLAN)).status == "succeeded"
        undone = await outer.undo("run-1")
        assert [(each.run_id, each.step_id, each.error is None) for each in undone] == [
            (CHILD, "s3", False),
            (CHILD, "s2", True),
            (CHILD, "s0", True),
        ]
        assert happened(tmp_path, "forgotten") == ["c2", "c0"]
        again = await outer.undo("run-1")
        assert [(each.run_id, each.step_id) for each in again] == [(CHILD, "s3")]
    assert happened(tmp_path, "forgotten") == ["c2", "c0"]


@pytest.mark.parametrize("journaled", [False, True])
async def test_undo_on_failure_reaches_runs_within(
    url: str, tmp_path: Path, journaled: bool
) -> None:
    (tmp_path / "fail-c1").touch()
    inner = child_plan("note", "fail")
    async with both(url if journaled else None, tmp_path, inner, undo_on_failure=True) as outer:
        result = await outer.run(PLAN)
    assert result.status == "failed"
    assert happened(tmp_path, "forgotten") == ["c0"]


async def test_one_budget_covers_the_tree_across_processes(url: str, tmp_path: Path) -> None:
    (tmp_path / "die-early-c2").touch()
    inner = child_plan("look", "look", "put", "look")
    killed(url, tmp_path, inner)
    (tmp_path / "die-early-c2").unlink()
    # first, sub, and three within have begun; sub and one within begin again.
    async with both(url, tmp_path, inner, budget=Budget(steps=7)) as outer:
        result = await outer.resume("run-1")
    assert result.status == "failed"
    assert "budget_exceeded" in str(step_of(result, "sub").error)
    assert happened(tmp_path, "put-x") == ["c2"]
    assert "c3" not in happened(tmp_path, "look")


async def test_items_of_a_fan_out_have_runs_of_their_own(url: str, tmp_path: Path) -> None:
    plan: Any = {
        "steps": [{"id": "sub", "tool": "helper", "for_each": [1, 2, 3]}],
        "answer": "${sub}",
    }
    async with both(url, tmp_path, child_plan("note"), effect="write") as outer:
        result = await outer.run(Plan.from_wire(plan))
        assert result.answer == ["noted c0"] * 3
        assert outer.journal is not None
        rows = await outer.journal.children("run-1")
        assert {row.run_id for row in rows} == {f"{CHILD}.{index}" for index in range(3)}
        assert len(await outer.undo("run-1")) == 3
