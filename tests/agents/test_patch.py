"""Patches of a plan that runs: by its tools, by people, and across processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.agents.conftest import TOOLS, runtime, step
from tests.agents.conftest import plan as plan_of
from tests.crashing import die, elsewhere, open_runtime
from tests.crashing import tools as crashing_tools

from treadle import Agent, Plan, PlanPatch, Runtime, patch_plan, patch_plan_sync, tool
from treadle.core.chat import ToolCall
from treadle.core.database import DatabaseUrl
from treadle.core.errors import PlanError, RunError
from treadle.core.events import (
    ApprovalRequested,
    PatchRefused,
    PlanPatched,
    PlanReady,
    StepDropped,
    StepStarted,
)
from treadle.executor import RunResult
from treadle.executor.journal import Journal
from treadle.testing import ScriptedModel

RUN = "run-1"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def statuses(result: RunResult) -> dict[str, Any]:
    return {each.id: each.status for each in result.steps}


def of(result: RunResult, kind: type[Any]) -> list[Any]:
    return [event for event in result.events if isinstance(event, kind)]


def patch(**fields: Any) -> PlanPatch:
    return PlanPatch.from_wire(fields)


GROWN = patch(add=[step("more", "add", a="${grow}", b=1)], answer="${more}")


@tool
async def grow() -> int:
    """Add a step that takes what this one gives."""
    await patch_plan(GROWN)
    return 41


@tool
def grow_in_thread() -> int:
    """The same, in a thread."""
    patch_plan_sync(GROWN)
    return 41


@pytest.mark.parametrize("name", ["grow", "grow_in_thread"])
async def test_a_tool_adds_a_step_that_takes_its_output(name: str) -> None:
    wire = plan_of({**step("grow", name)}, answer="${grow}")
    async with runtime([], tools=[*TOOLS, grow, grow_in_thread]) as opened:
        result = await opened.run(Plan.from_wire(wire))
    assert (result.status, result.answer) == ("succeeded", 42)
    assert result.plan is not None
    assert result.plan.version == 2
    assert [event.step_id for event in of(result, PlanPatched)] == ["grow"]


async def test_a_tool_drops_and_replaces_what_has_not_started() -> None:
    @tool
    async def prune() -> int:
        """Change what comes next."""
        await patch_plan(patch(drop=["c"], replace=[step("b", "add", a="${a}", b=10)]))
        return 1

    wire = plan_of(
        step("a", "prune"), step("b", "boom"), {**step("c", "boom"), "after": ["a"]}, answer="${b}"
    )
    wire["steps"][1]["after"] = ["a"]
    async with runtime([], tools=[*TOOLS, prune]) as opened:
        result = await opened.run(Plan.from_wire(wire))
    assert (result.status, result.answer) == ("succeeded", 11)
    assert [event.step_id for event in of(result, StepDropped)] == ["c"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"add": [step("x", "fly")]}, "unknown_tool"),
        ({"add": [step("x", "add", a="${nobody}", b=1)]}, "dangling_reference"),
        ({"drop": ["nobody"]}, "unknown_step"),
        ({"drop": ["a"]}, "step_started"),
        ({"add": [step("a", "boom")]}, "duplicate_id"),
        (
            {"add": [step("x", "add", a="${y}", b=1), step("y", "add", a="${x}", b=1)]},
            "cycle",
        ),
        ({}, "empty_patch"),
    ],
)
async def test_a_bad_patch_is_an_error_for_the_tool_and_changes_nothing(
    change: dict[str, Any], code: str
) -> None:
    caught: list[str] = []

    @tool
    async def wrong() -> str:
        """Patch wrongly."""
        try:
            await patch_plan(patch(**change))
        except PlanError as error:
            caught.append(error.code)
        return "done"

    async with runtime([], tools=[*TOOLS, wrong]) as opened:
        result = await opened.run(Plan.from_wire(plan_of(step("a", "wrong"), answer="${a}")))
    assert (result.status, result.answer, caught) == ("succeeded", "done", [code])
    assert len(of(result, PlanReady)) == 1
    assert of(result, PlanPatched) == []


async def test_effects_in_a_patch_ask() -> None:
    @tool
    async def escalate() -> str:
        """Add an effect."""
        await patch_plan(patch(add=[step("m", "mail", to="${a}")]))
        return "ann"

    async with runtime([], tools=[*TOOLS, escalate]) as opened:
        result = await opened.run(Plan.from_wire(plan_of(step("a", "escalate"))))
    assert statuses(result) == {"a": "succeeded", "m": "waiting"}
    assert [event.step_ids for event in of(result, ApprovalRequested)] == [("m",)]


async def test_a_tool_that_starts_while_the_plan_is_written_waits_for_its_end() -> None:
    wire = plan_of(step("grow", "grow"), step("late", "add", a=1, b=1), answer="${late}")
    async with runtime([wire], tools=[*TOOLS, grow]) as opened:
        result = await opened.run("grow")
    assert (result.status, result.answer) == ("succeeded", 42)
    assert set(statuses(result)) == {"grow", "late", "more"}


async def test_outside_of_any_run_there_is_nothing_to_patch() -> None:
    with pytest.raises(RunError) as caught:
        await patch_plan(GROWN)
    assert caught.value.code == "not_in_run"


async def test_the_plain_function_is_not_for_the_event_loop() -> None:
    @tool
    async def mistaken() -> str:
        """Use the wrong one."""
        patch_plan_sync(GROWN)
        return ""

    async with runtime([], tools=[*TOOLS, mistaken]) as opened:
        result = await opened.run(Plan.from_wire(plan_of(step("grow", "mistaken"))))
    assert result.error is not None
    assert "event_loop_running" in str(result.error)


async def test_a_tool_of_an_agent_patches_the_run() -> None:
    @tool
    async def follow_up() -> str:
        """Add a step."""
        await patch_plan(patch(add=[step("more", "add", a=1, b=1)]))
        return "added"

    model = ScriptedModel([[ToolCall("call_1", "follow_up", "{}")], "it is done"])
    agent = Agent("worker", "Work.", tools=[follow_up])
    async with runtime([], tools=[*TOOLS, agent], model=model) as opened:
        result = await opened.run(
            Plan.from_wire(plan_of(step("w", "worker", task="go"), answer="${w}"))
        )
    assert statuses(result) == {"w": "succeeded", "more": "succeeded"}


async def test_a_run_within_a_run_patches_its_own_plan() -> None:
    within = Runtime(model=ScriptedModel([]), tools=[*TOOLS, grow], builtins=False)
    inner = Plan.from_wire(plan_of(step("grow", "grow"), answer="${grow}"))
    helper = within.as_tool("helper", "Helps.", plan=inner)
    async with within, runtime([], tools=[*TOOLS, helper]) as opened:
        result = await opened.run(Plan.from_wire(plan_of(step("h", "helper"), answer="${h}")))
    assert (result.status, result.answer) == ("succeeded", 42)
    assert statuses(result) == {"h": "succeeded"}


# ---- across processes ---------------------------------------------------------------------------


def _growing(folder: Path) -> list[Any]:
    @tool
    async def grows() -> int:
        """Patch, and then die where the test says so."""
        await patch_plan(patch(add=[{"id": "n", "tool": "look", "args": {"x": "${g}"}}]))
        if (folder / "die").exists():
            await asyncio.Event().wait()
        return 7

    return [*crashing_tools(folder), grows]


def _grow_then_die(url: str, folder: Path) -> None:
    async def main() -> None:
        async with open_runtime(url, folder, tools=_growing(folder)) as runtime:
            wire = {"steps": [{"id": "g", "tool": "grows"}], "answer": "${g}"}
            async with runtime.stream(Plan.from_wire(wire)) as stream:
                async for event in stream:
                    if isinstance(event, PlanPatched):
                        die()

    asyncio.run(main())


async def test_a_tool_that_runs_again_after_a_crash_finds_its_patch_in_place(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "die").touch()
    assert elsewhere(_grow_then_die, url, tmp_path) == -9
    (tmp_path / "die").unlink()
    async with open_runtime(url, tmp_path, tools=_growing(tmp_path)) as opened:
        result = await opened.resume(RUN)
    assert statuses(result) == {"g": "succeeded", "n": "succeeded"}
    assert len(of(result, PlanPatched)) == 1


def _hold(url: str, folder: Path) -> None:
    async def main() -> None:
        (folder / "hold-2").touch()
        async with open_runtime(url, folder) as runtime:
            wire = {
                "steps": [
                    {"id": "a", "tool": "look", "args": {"x": 1}},
                    {"id": "b", "tool": "look", "args": {"x": 2}, "after": ["a"]},
                    {"id": "c", "tool": "look", "args": {"x": "${b}"}},
                ],
                "answer": "${c}",
            }
            async with runtime.stream(Plan.from_wire(wire)) as stream:
                async for event in stream:
                    if isinstance(event, StepStarted) and event.step_id == "b":
                        (folder / "hold-2").unlink()
                        die()

    asyncio.run(main())


async def test_a_patch_of_a_run_that_nobody_holds_is_done_before_its_steps_start(
    url: str, tmp_path: Path
) -> None:
    assert elsewhere(_hold, url, tmp_path) == -9
    change = patch(replace=[{"id": "b", "tool": "look", "args": {"x": "new"}}])
    async with open_runtime(url, tmp_path) as opened:
        left = await opened.patch(RUN, change)
        assert (left.state, left.version) == ("left", None)
        result = await opened.resume(RUN)
    assert (result.status, result.answer) == ("succeeded", "new")
    (patched,) = of(result, PlanPatched)
    again = [event for event in of(result, StepStarted) if event.seq > patched.seq]
    assert [event.step_id for event in again] == ["b", "c"]


async def test_a_patch_that_does_not_fit_any_more_is_reported(url: str, tmp_path: Path) -> None:
    assert elsewhere(_hold, url, tmp_path) == -9
    async with open_runtime(url, tmp_path) as opened:
        assert (await opened.patch(RUN, patch(drop=["c"], answer="${b}"))).state == "left"
        assert (
            await opened.patch(RUN, patch(add=[{"id": "d", "tool": "look", "args": {"x": "${c}"}}]))
        ).state == "left"
        result = await opened.resume(RUN)
    assert result.status == "succeeded"
    assert [event.error.code for event in of(result, PatchRefused)] == ["dangling_reference"]
    assert set(statuses(result)) == {"a", "b"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"drop": ["a"]}, "step_started"),
        ({"drop": ["nobody"]}, "unknown_step"),
        ({"add": [{"id": "x", "tool": "fly", "args": {}}]}, "unknown_tool"),
    ],
)
async def test_what_does_not_fit_the_record_is_not_left(
    url: str, tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    assert elsewhere(_hold, url, tmp_path) == -9
    async with open_runtime(url, tmp_path) as opened:
        with pytest.raises(PlanError) as caught:
            await opened.patch(RUN, patch(**change))
        assert caught.value.code == code
        result = await opened.resume(RUN)
        assert of(result, PatchRefused) == []
        with pytest.raises(RunError) as ended:
            await opened.patch(RUN, patch(add=[{"id": "x", "tool": "look", "args": {"x": 1}}]))
    assert ended.value.code == "run_ended"


async def test_a_live_run_takes_a_patch_once(url: str, tmp_path: Path) -> None:
    """The same request, as a crash between doing and forgetting it would bring it, again."""
    (tmp_path / "hold-1").touch()
    wire = {"steps": [{"id": "a", "tool": "look", "args": {"x": 1}}], "answer": "${a}"}
    body: Any = {
        "request": "p1",
        "patch": {"add": [{"id": "n", "tool": "look", "args": {"x": 2}}], "answer": "${n}"},
    }
    journal = Journal(DatabaseUrl.parse(url))
    async with open_runtime(url, tmp_path) as opened:
        async with opened.stream(Plan.from_wire(wire)) as stream:
            async for event in stream:
                if isinstance(event, StepStarted) and event.step_id == "a":
                    await journal.ask(RUN, "patch", body)
                    await journal.ask(RUN, "patch", body)
                    with pytest.raises(RunError) as caught:
                        async with open_runtime(url, tmp_path) as other:
                            await other.patch(RUN, patch(drop=["a"], answer="x"))
                    assert caught.value.code == "step_started"
                    stream.cancel()
        result = stream.result
    await journal.close()
    assert statuses(result) == {"a": "cancelled", "n": "succeeded"}
    assert [event.request for event in of(result, PlanPatched)] == ["p1"]
    assert len(of(result, PatchRefused)) == 1
