# ruff: noqa: SIM117 - a Runtime, and a run within it: one line each
from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from tests.crashing import crash, die, elsewhere, happened, open_runtime, tools

from treadle import Plan, Runtime, tool
from treadle.core.budget import Budget
from treadle.core.database import DatabaseUrl
from treadle.core.errors import ConfigError, RunError, ToolError
from treadle.core.events import (
    ApprovalRequested,
    DoubtSettled,
    RunFinished,
    RunResumed,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepStarted,
)
from treadle.executor import RunResult
from treadle.executor.approval import ApprovalRequest
from treadle.executor.journal import Journal
from treadle.planner.patch import PlanPatch
from treadle.testing import ScriptedModel

RUN = "run-1"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def step(step_id: str, name: str, x: Any, **rest: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": name, "args": {"x": x}, **rest}


def plan(*steps: dict[str, Any], answer: Any = None) -> dict[str, Any]:
    return {"steps": list(steps), "answer": answer}


async def allow(request: ApprovalRequest) -> bool:
    return True


async def resume(url: str, folder: Path, **options: Any) -> RunResult:
    settings = {
        name: options.pop(name)
        for name in ("tools", "approve", "artifacts", "budget")
        if name in options
    }
    settings.setdefault("approve", allow)
    async with open_runtime(url, folder, **settings) as runtime:
        return await runtime.resume(RUN, **options)


async def run(url: str, folder: Path, wire: dict[str, Any], **settings: Any) -> RunResult:
    settings.setdefault("approve", allow)
    async with open_runtime(url, folder, **settings) as runtime:
        return await runtime.run(Plan.from_wire(wire))


async def ask(url: str, kind: Any, body: dict[str, Any]) -> None:
    journal = Journal(DatabaseUrl.parse(url))
    await journal.ask(RUN, kind, body)
    await journal.close()


def outputs(result: RunResult) -> dict[str, Any]:
    return {each.id: each.output for each in result.steps}


def statuses(result: RunResult) -> dict[str, Any]:
    return {each.id: each.status for each in result.steps}


def of(result: RunResult, kind: type[Any]) -> list[Any]:
    return [event for event in result.events if isinstance(event, kind)]


def resumed_part(result: RunResult) -> list[Any]:
    last = max(event.seq for event in result.events if isinstance(event, RunResumed))
    return list(result.events[last:])


# ---- what was done is not done again ------------------------------------------------------------


async def test_completed_steps_do_not_run_again(url: str, tmp_path: Path) -> None:
    chain = plan(
        step("a", "look", 1), step("b", "look", "${a}"), step("c", "look", 3, after=["b"]),
        answer="${a} ${b} ${c}",
    )  # fmt: skip
    (tmp_path / "hold-3").touch()
    crash(url, tmp_path, chain, ("StepStarted", "c", None))
    (tmp_path / "hold-3").unlink()
    before = happened(tmp_path, "look")

    result = await resume(url, tmp_path)

    assert result.status == "succeeded"
    assert result.answer == "1 1 3"
    assert before.count("1") == happened(tmp_path, "look").count("1") == 2
    assert [event.step_id for event in of(result, StepFinished)] == ["a", "b", "c"]
    assert [event.seq for event in result.events] == list(range(len(result.events)))


async def test_results_go_to_their_steps_when_the_order_of_completion_differs(
    url: str, tmp_path: Path
) -> None:
    """Engines that key results by the order of calls hand the result of b to a here."""
    pair = plan(
        step("a", "look", "first"), step("b", "look", "second"),
        step("c", "look", {"a": "${a}", "b": "${b}"}), answer={"a": "${a}", "b": "${b}"},
    )  # fmt: skip
    (tmp_path / "hold-first").touch()
    crash(url, tmp_path, pair, ("StepFinished", "b", None))
    (tmp_path / "hold-first").unlink()

    result = await resume(url, tmp_path)

    assert result.answer == {"a": "first", "b": "second"}
    assert outputs(result)["c"] == {"a": "first", "b": "second"}
    assert happened(tmp_path, "look").count("second") == 1


@pytest.mark.parametrize("effect_tool", ["look", "write"])
async def test_a_fan_out_goes_on_with_the_missing_items_only(
    url: str, tmp_path: Path, effect_tool: str
) -> None:
    items = plan(step("f", effect_tool, "${item}", for_each=[10, 11, 12, 13]), answer="${f}")
    (tmp_path / "hold-11").touch()
    (tmp_path / "hold-13").touch()
    crash(url, tmp_path, items, ("StepProgress", "f", 2))
    (tmp_path / "hold-11").unlink()
    (tmp_path / "hold-13").unlink()
    first = happened(tmp_path, effect_tool)

    result = await resume(url, tmp_path)
    if effect_tool == "write":
        assert result.status == "waiting"
        result = await resume(url, tmp_path, redo=["f"])

    again = happened(tmp_path, effect_tool)[len(first) :]
    assert "11" in again
    assert "13" in again
    assert result.status == "succeeded"
    expected = [f"wrote {x}" if effect_tool == "write" else x for x in (10, 11, 12, 13)]
    assert result.answer == expected
    ended = {event.index for event in of(result, StepProgress)}
    assert ended == {0, 1, 2, 3}


async def test_items_whose_end_is_on_the_disk_are_not_run_again(url: str, tmp_path: Path) -> None:
    items = plan(step("f", "write", "${item}", for_each=[0, 1, 2]), answer="${f}")
    (tmp_path / "hold-1").touch()
    (tmp_path / "hold-2").touch()
    crash(url, tmp_path, items, ("StepProgress", "f", 0))
    (tmp_path / "hold-1").unlink()
    (tmp_path / "hold-2").unlink()
    result = await resume(url, tmp_path, done=["f"])

    assert result.status == "succeeded"
    assert result.answer == ["wrote 0", None, None]
    assert sorted(happened(tmp_path, "write")) == ["0", "1", "2"]


async def test_a_finished_run_gives_what_was_recorded(url: str, tmp_path: Path) -> None:
    first = await run(url, tmp_path, plan(step("a", "look", 1), answer="${a}!"))
    result = await resume(url, tmp_path, tools=[])
    assert result.as_json() == first.as_json()
    assert happened(tmp_path, "look") == ["1"]


async def test_a_failed_run_gives_what_was_recorded_and_a_step_can_be_redone(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "fail-1").touch()
    wire = plan(
        step("a", "look", 7), step("f", "fail", 1), step("z", "look", "${f}"), answer="${a} ${z}"
    )
    first = await run(url, tmp_path, wire)
    assert first.status == "failed"
    again = await resume(url, tmp_path)
    assert again.as_json() == first.as_json()
    (tmp_path / "fail-1").unlink()

    result = await resume(url, tmp_path, redo=["f"])

    assert (result.status, result.answer) == ("succeeded", "7 did not fail 1")
    assert happened(tmp_path, "look").count("7") == 1


async def test_a_crash_during_a_resume_loses_nothing_either(url: str, tmp_path: Path) -> None:
    chain = plan(*(step(f"s{i}", "look", i, after=[f"s{i - 1}"] if i else []) for i in range(5)))
    (tmp_path / "hold-2").touch()
    crash(url, tmp_path, chain, ("StepFinished", "s1", None))
    (tmp_path / "hold-2").rename(tmp_path / "hold-4")
    crash(url, tmp_path, None, ("StepFinished", "s3", None))
    (tmp_path / "hold-4").unlink()
    result = await resume(url, tmp_path)
    assert result.status == "succeeded"
    seen = happened(tmp_path, "look")
    assert {"0", "1", "2", "3", "4"} == set(seen)
    assert seen.count("0") == seen.count("1") == seen.count("3") == 1
    assert len(of(result, RunResumed)) == 2


# ---- approvals ----------------------------------------------------------------------------------


async def test_an_approval_before_a_crash_still_holds(url: str, tmp_path: Path) -> None:
    wire = plan(step("a", "look", 1), step("w", "write", "${a}"), answer="${w}")
    (tmp_path / "hold-1").touch()
    crash(url, tmp_path, wire, ("ApprovalAnswered", None, None))
    (tmp_path / "hold-1").unlink()

    result = await resume(url, tmp_path, approve=None)

    assert (result.status, result.answer) == ("succeeded", "wrote 1")
    assert len(of(result, ApprovalRequested)) == 1


async def test_edited_arguments_survive_a_crash(url: str, tmp_path: Path) -> None:
    wire = plan(step("a", "look", 1), step("w", "write", "${a}"), answer="${w}")
    waiting = await run(url, tmp_path, wire, approve=None)
    assert waiting.status == "waiting"
    (tmp_path / "die-early-77").touch()
    crash_after_edit(url, tmp_path)
    (tmp_path / "die-early-77").unlink()
    result = await resume(url, tmp_path, approve=None)
    assert result.status == "waiting"
    assert "in_doubt" in str(result.steps[1].error)
    result = await resume(url, tmp_path, approve=None, redo=["w"])
    assert (result.status, result.answer) == ("succeeded", "wrote 77")
    assert happened(tmp_path, "write") == ["77"]


def crash_after_edit(url: str, folder: Path) -> None:

    assert elsewhere(_edit, url, folder) == -9


def _edit(url: str, folder: Path) -> None:

    async def with_policy() -> None:
        async def decide(request: ApprovalRequest) -> bool:
            streams[0].approve("w", arguments={"x": 77})
            return True

        streams: list[Any] = []
        async with open_runtime(url, folder, approve=decide) as runtime:
            async with await runtime.reopen(RUN) as stream:
                streams.append(stream)
                await stream.ended()

    asyncio.run(with_policy())


async def test_a_waiting_run_goes_on_when_another_process_has_approved(
    url: str, tmp_path: Path
) -> None:
    wire = plan(step("w", "write", 1), step("a", "look", "${w}"), answer="${a}")
    waiting = await run(url, tmp_path, wire, approve=None)
    assert waiting.status == "waiting"
    await ask(url, "answer", {"step": "w", "approved": True})

    result = await resume(url, tmp_path, approve=None)

    assert (result.status, result.answer) == ("succeeded", "wrote 1")


async def test_a_waiting_run_fails_when_another_process_has_denied(
    url: str, tmp_path: Path
) -> None:
    await run(url, tmp_path, plan(step("w", "write", 1)), approve=None)
    await ask(url, "answer", {"step": "w", "approved": False, "reason": "no"})
    result = await resume(url, tmp_path, approve=None)
    assert result.status == "failed"
    assert result.steps[0].error is not None
    assert result.steps[0].error.code == "approval_denied"
    assert happened(tmp_path, "write") == []


async def test_edited_arguments_come_from_another_process(url: str, tmp_path: Path) -> None:
    await run(url, tmp_path, plan(step("w", "write", 1), answer="${w}"), approve=None)
    await ask(url, "answer", {"step": "w", "approved": True, "arguments": {"x": 5}})
    result = await resume(url, tmp_path, approve=None)
    assert (result.status, result.answer) == ("succeeded", "wrote 5")
    assert happened(tmp_path, "write") == ["5"]


async def test_a_policy_is_asked_again_about_what_still_waits(url: str, tmp_path: Path) -> None:
    await run(url, tmp_path, plan(step("w", "write", 1), answer="${w}"), approve=None)
    result = await resume(url, tmp_path)
    assert (result.status, result.answer) == ("succeeded", "wrote 1")


async def test_the_stream_of_a_waiting_run_shows_what_happens_after_it(
    url: str, tmp_path: Path
) -> None:
    await run(url, tmp_path, plan(step("w", "write", 1)), approve=None)
    async with open_runtime(url, tmp_path, approve=allow) as runtime:
        async with await runtime.reopen(RUN) as stream:
            seen = [event async for event in stream]
    assert seen == stream.events
    assert isinstance(seen[-1], RunFinished)
    assert seen[-1].status == "succeeded"


# ---- in doubt -----------------------------------------------------------------------------------


def cut_short(url: str, folder: Path, name: str, *, early: bool = False) -> None:
    """`w` calls the tool `name`, and the process dies after (or before) its effect."""
    flag = folder / ("die-early-9" if early else "die-9")
    flag.touch()
    crash(url, folder, plan(step("w", name, 9), step("z", "look", "${w}"), answer="${z}"))
    flag.unlink()


async def test_a_write_that_was_cut_short_waits_for_a_person(url: str, tmp_path: Path) -> None:
    cut_short(url, tmp_path, "write")
    for _ in range(2):
        result = await resume(url, tmp_path)
        assert result.status == "waiting"
        assert result.steps[0].error is not None
        assert result.steps[0].error.code == "in_doubt"
        assert "w" in result.steps[0].error.message
    assert happened(tmp_path, "write") == ["9"]


async def test_done_takes_it_as_done(url: str, tmp_path: Path) -> None:
    cut_short(url, tmp_path, "write")
    result = await resume(url, tmp_path, done=["w"])
    assert statuses(result) == {"w": "succeeded", "z": "succeeded"}
    assert happened(tmp_path, "write") == ["9"]
    assert [(each.step_id, each.decision) for each in of(result, DoubtSettled)] == [("w", "done")]


async def test_redo_runs_it_once_more(url: str, tmp_path: Path) -> None:
    cut_short(url, tmp_path, "write", early=True)
    result = await resume(url, tmp_path, redo=["w"])
    assert (result.status, result.answer) == ("succeeded", "wrote 9")
    assert happened(tmp_path, "write") == ["9"]
    attempts = [each.attempt for each in of(result, StepStarted) if each.step_id == "w"]
    assert attempts == [1, 2]


async def test_a_decision_holds_for_later_resumes(url: str, tmp_path: Path) -> None:
    cut_short(url, tmp_path, "write")
    (tmp_path / "hold-None").touch()
    first = await _cancelled_resume(url, tmp_path, done=["w"])
    assert statuses(first)["w"] == "succeeded"
    (tmp_path / "hold-None").unlink()
    result = await resume(url, tmp_path)
    assert result.status == "succeeded"
    assert happened(tmp_path, "write") == ["9"]


async def _cancelled_resume(url: str, folder: Path, **options: Any) -> RunResult:
    async with open_runtime(url, folder, approve=allow) as runtime:
        async with await runtime.reopen(RUN, **options) as stream:
            async for event in stream:
                if isinstance(event, StepStarted) and event.step_id == "z":
                    stream.cancel()
        return stream.result


@pytest.mark.parametrize("early", [True, False])
async def test_reconcile_tells_what_happened(url: str, tmp_path: Path, early: bool) -> None:
    cut_short(url, tmp_path, "checked", early=early)
    result = await resume(url, tmp_path)
    assert result.answer == ("checked 9" if early else "found 9")
    assert happened(tmp_path, "checked") == ["9"]
    decisions = [each.decision for each in of(result, DoubtSettled)]
    assert decisions == ["not_done" if early else "reconciled"]


async def test_an_idempotent_tool_is_called_again_with_the_same_key(
    url: str, tmp_path: Path
) -> None:
    cut_short(url, tmp_path, "put")
    result = await resume(url, tmp_path)
    assert result.answer == "put 9"
    keys = happened(tmp_path, "put")
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert RUN in keys[0]
    assert [each.decision for each in of(result, DoubtSettled)] == ["idempotent"]


async def test_a_cancelled_write_is_in_doubt_too(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-9").touch()
    async with open_runtime(url, tmp_path, approve=allow) as runtime:
        async with runtime.stream(Plan.from_wire(plan(step("w", "write", 9)))) as stream:
            async for event in stream:
                if isinstance(event, StepStarted):
                    while not happened(tmp_path, "write"):
                        await _turn()
                    stream.cancel()
    assert stream.result.status == "cancelled"
    (tmp_path / "hold-9").unlink()
    result = await resume(url, tmp_path)
    assert result.status == "waiting"
    assert happened(tmp_path, "write") == ["9"]


async def _turn() -> None:
    await asyncio.sleep(0)


async def test_a_reconcile_that_cannot_tell_leaves_the_step_in_doubt(
    url: str, tmp_path: Path
) -> None:
    cut_short(url, tmp_path, "checked")
    (tmp_path / "reconcile-fails").touch()
    await resume(url, tmp_path)
    (tmp_path / "reconcile-fails").unlink()
    result = await resume(url, tmp_path)
    assert (result.status, result.answer) == ("succeeded", "found 9")
    assert happened(tmp_path, "checked") == ["9"]


async def test_doubt_can_be_settled_after_another_step_has_failed(url: str, tmp_path: Path) -> None:
    wire = plan(step("w", "write", 9), step("f", "fail", 1, after=[]), answer="${w}")
    (tmp_path / "die-9").touch()
    (tmp_path / "hold-1").touch()
    crash(url, tmp_path, wire)
    (tmp_path / "die-9").unlink()
    (tmp_path / "hold-1").unlink()
    (tmp_path / "fail-1").touch()
    assert (await resume(url, tmp_path)).status == "failed"
    result = await resume(url, tmp_path, done=["w"])
    assert [each.decision for each in of(result, DoubtSettled)] == ["done"]
    assert statuses(result)["w"] == "succeeded"


async def test_doubt_after_a_patch_is_doubt_and_not_an_approval(url: str, tmp_path: Path) -> None:
    """A patch forgets approvals; what had started with one before needs no new one."""

    assert elsewhere(_patch_then_die, url, tmp_path) == -9
    result = await resume(url, tmp_path, approve=None)
    assert result.status == "waiting"
    assert result.steps[0].error is not None
    assert result.steps[0].error.code == "in_doubt"
    result = await resume(url, tmp_path, approve=None, done=["w"])
    assert statuses(result) == {"w": "succeeded", "n": "succeeded"}


def _patch_then_die(url: str, folder: Path) -> None:

    async def main() -> None:
        (folder / "hold-9").touch()
        async with open_runtime(url, folder, approve=allow) as runtime:
            async with runtime.stream(Plan.from_wire(plan(step("w", "write", 9)))) as stream:
                async for event in stream:
                    if isinstance(event, StepStarted) and event.step_id == "w":
                        while not happened(folder, "write"):
                            await _turn()
                        stream.patch(PlanPatch.from_wire({"add": [step("n", "look", 2)]}))
                    if isinstance(event, StepFinished) and event.step_id == "n":
                        die()

    asyncio.run(main())


async def test_what_is_not_in_doubt_cannot_be_settled(url: str, tmp_path: Path) -> None:
    cut_short(url, tmp_path, "write")
    for options, code in (
        ({"done": ["z"]}, "nothing_in_doubt"),
        ({"redo": ["nobody"]}, "unknown_step"),
    ):
        with pytest.raises(RunError) as caught:
            await resume(url, tmp_path, **options)
        assert caught.value.code == code
    assert (await resume(url, tmp_path, done=["w"])).status == "succeeded"


async def test_a_read_that_was_cut_short_is_not_in_doubt(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    crash(url, tmp_path, plan(step("a", "look", 1), answer="${a}"), ("StepStarted", "a", None))
    (tmp_path / "hold-1").unlink()
    with pytest.raises(RunError) as caught:
        await resume(url, tmp_path, done=["a"])
    assert caught.value.code == "nothing_in_doubt"
    assert (await resume(url, tmp_path)).answer == 1


# ---- other code ---------------------------------------------------------------------------------


def other_look() -> Any:
    @tool(effect="read", name="look")
    async def look(x: Any) -> str:
        """Read something."""
        return f"other {x}"

    return look


async def test_other_code_is_refused_until_it_is_accepted(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    crash(url, tmp_path, plan(step("a", "look", 1), answer="${a}"), ("StepStarted", "a", None))
    for others in ([other_look()], []):
        with pytest.raises(RunError) as caught:
            await resume(url, tmp_path, tools=others)
        assert caught.value.code == "code_changed"
        assert "look" in caught.value.message
    result = await resume(url, tmp_path, tools=[other_look()], accept_changes=True)
    assert result.answer == "other 1"


async def test_tools_of_finished_steps_may_change(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-2").touch()
    pair = plan(step("a", "look", 1), step("b", "fail", 2, after=["a"]))
    crash(url, tmp_path, pair, ("StepStarted", "b", None))
    (tmp_path / "hold-2").unlink()
    kept = [each for each in tools(tmp_path) if each.name == "fail"]
    result = await resume(url, tmp_path, tools=[other_look(), *kept])
    assert (result.status, outputs(result)["a"]) == ("succeeded", 1)


async def test_accepting_changes_that_do_not_fit_the_plan_loses_nothing(
    url: str, tmp_path: Path
) -> None:
    @tool(effect="read", name="fail")
    async def stranger(y: int) -> int:
        """Another signature."""
        return y

    (tmp_path / "hold-2").touch()
    pair = plan(step("a", "look", 1), step("b", "fail", 2, after=["a"]))
    crash(url, tmp_path, pair, ("StepStarted", "b", None))
    (tmp_path / "hold-2").unlink()
    look = [each for each in tools(tmp_path) if each.name == "look"]
    with contextlib.suppress(RunError):  # refusing it is fine as well
        await resume(url, tmp_path, tools=[*look, stranger], accept_changes=True)
    result = await resume(url, tmp_path)
    assert result.status == "succeeded"
    assert happened(tmp_path, "look") == ["1"]


# ---- budgets, artifacts -------------------------------------------------------------------------


async def test_the_budget_counts_across_processes(url: str, tmp_path: Path) -> None:
    chain = plan(*(step(f"s{i}", "look", i, after=[f"s{i - 1}"] if i else []) for i in range(5)))
    (tmp_path / "hold-2").touch()
    crash(url, tmp_path, chain, ("StepStarted", "s2", None))
    (tmp_path / "hold-2").unlink()
    result = await resume(url, tmp_path, budget=Budget(steps=4))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    # Three calls before the crash, the last of which was cut short and is made again.
    assert statuses(result)["s2"] == "succeeded"
    assert statuses(result)["s3"] == "failed"


async def test_large_outputs_are_there_in_the_next_process(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    wire = plan(step("a", "big", 200_000), step("h", "look", 1), step("s", "size", "${a}", after=["h"]), answer="${s}")  # fmt: skip
    crash(url, tmp_path, wire, ("StepFinished", "a", None))
    (tmp_path / "hold-1").unlink()
    result = await resume(url, tmp_path)
    assert result.answer == 200_000
    assert happened(tmp_path, "big") == ["200000"]


async def test_a_large_output_that_is_gone_does_not_end_the_run_for_good(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "hold-1").touch()
    wire = plan(step("a", "big", 200_000), step("h", "look", 1), step("s", "size", "${a}", after=["h"]), answer="${s}")  # fmt: skip
    crash(url, tmp_path, wire, ("StepFinished", "a", None))
    (tmp_path / "hold-1").unlink()
    (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    try:
        gone = await resume(url, tmp_path)
    except (RunError, ToolError):
        pass
    else:
        assert gone.status != "succeeded"
    for stored in (tmp_path / "elsewhere").iterdir():
        stored.rename(tmp_path / "artifacts" / stored.name)
    result = await resume(url, tmp_path, redo=["s"])
    assert result.answer == 200_000


FORGED = [
    {"artifact": "sha256:" + "0" * 64, "path": "SECRET", "bytes": 3, "preview": "x"},
    {"artifact": "sha256:../../secret", "path": "SECRET", "bytes": 3, "preview": "x"},
    {"artifact": "SECRET", "path": "SECRET", "bytes": 3, "preview": "x"},
]


@pytest.mark.parametrize("number", range(len(FORGED)))
async def test_an_output_that_looks_like_a_stored_one_is_only_a_value(
    url: str, tmp_path: Path, number: int
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('"do not tell"')
    forged = {
        name: str(secret) if value == "SECRET" else value for name, value in FORGED[number].items()
    }
    (tmp_path / "hold-1").touch()
    wire = plan(step("a", "look", forged), step("h", "look", 1), step("c", "look", "${a}", after=["h"]), answer=["${a}", "${c}"])  # fmt: skip
    crash(url, tmp_path, wire, ("StepFinished", "a", None))
    (tmp_path / "hold-1").unlink()
    result = await resume(url, tmp_path)
    assert result.status == "succeeded"
    assert result.answer == [forged, forged]
    assert "do not tell" not in str(result.as_json())


# ---- pause, patch, cancel -----------------------------------------------------------------------


async def test_a_paused_run_goes_on(url: str, tmp_path: Path) -> None:
    wire = plan(step("a", "look", 1), step("b", "look", 2, after=["a"]), answer="${b}")
    async with open_runtime(url, tmp_path) as runtime:
        async with runtime.stream(Plan.from_wire(wire)) as stream:
            stream.pause()
            async for _ in stream:
                pass
    first = stream.result
    assert first.status == "paused"
    result = await resume(url, tmp_path)
    assert (result.status, result.answer) == ("succeeded", 2)
    assert sorted(happened(tmp_path, "look")) == ["1", "2"]


async def test_a_pause_in_the_last_step_does_not_cost_the_answer(url: str, tmp_path: Path) -> None:
    async with open_runtime(url, tmp_path) as runtime:
        wire = plan(step("a", "look", 1), answer="${a}")
        async with runtime.stream(Plan.from_wire(wire)) as stream:
            async for event in stream:
                if isinstance(event, StepFinished):
                    stream.pause()
    result = await resume(url, tmp_path)
    assert (result.status, result.answer) == ("succeeded", 1)
    assert happened(tmp_path, "look") == ["1"]


async def test_a_pause_while_the_last_step_runs_does_not_cost_the_answer(
    url: str, tmp_path: Path
) -> None:
    streams: list[Any] = []

    @tool(effect="read")
    async def pauses() -> str:
        """Pause the run that it is part of."""
        streams[0].pause()
        return "here"

    wire: Any = {"steps": [{"id": "a", "tool": "pauses"}], "answer": "${a}"}
    async with open_runtime(url, tmp_path, tools=[pauses]) as runtime:
        async with runtime.stream(Plan.from_wire(wire)) as stream:
            streams.append(stream)
            async for _ in stream:
                pass
    result = await resume(url, tmp_path, tools=[pauses])
    assert (result.status, result.answer) == ("succeeded", "here")


async def test_a_cancelled_run_goes_on(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-2").touch()
    wire = plan(step("a", "look", 1), step("b", "look", 2, after=["a"]), answer="${a} ${b}")
    async with open_runtime(url, tmp_path) as runtime:
        async with runtime.stream(Plan.from_wire(wire)) as stream:
            async for event in stream:
                if isinstance(event, StepStarted) and event.step_id == "b":
                    stream.cancel()
    assert stream.result.status == "cancelled"
    (tmp_path / "hold-2").unlink()
    result = await resume(url, tmp_path)
    assert (result.status, result.answer) == ("succeeded", "1 2")
    assert happened(tmp_path, "look").count("1") == 1


async def test_a_patched_plan_is_gone_on_with(url: str, tmp_path: Path) -> None:
    patch = {
        "add": [step("c", "look", 3, after=["a"])],
        "replace": [step("b", "look", 22, after=["a"])],
        "answer": "${a} ${b} ${c}",
    }

    assert elsewhere(_patched, url, tmp_path, patch) == -9
    (tmp_path / "hold-1").unlink()
    result = await resume(url, tmp_path)
    assert (result.status, result.answer) == ("succeeded", "1 22 3")
    assert result.plan is not None
    assert result.plan.version == 2


def _patched(url: str, folder: Path, patch: dict[str, Any]) -> None:

    async def main() -> None:
        (folder / "hold-1").touch()
        wire = plan(step("a", "look", 1), step("b", "look", 2, after=["a"]), answer="${b}")
        async with open_runtime(url, folder) as runtime:
            async with runtime.stream(Plan.from_wire(wire)) as stream:
                async for event in stream:
                    if isinstance(event, StepStarted):
                        stream.patch(PlanPatch.from_wire(patch))
                    if isinstance(event, StepPlanned) and event.step_id == "c":
                        die()

    asyncio.run(main())


async def test_a_patch_does_not_excuse_a_failure_after_a_crash(url: str, tmp_path: Path) -> None:
    """Without the crash the run would fail: a person's patch is no answer to a failed step."""

    assert elsewhere(_patched_after_failure, url, tmp_path, True) == -9
    (tmp_path / "hold-5").unlink()
    result = await resume(url, tmp_path)
    assert result.status == "failed"


async def test_without_a_crash_a_patch_does_not_excuse_a_failure(url: str, tmp_path: Path) -> None:

    assert elsewhere(_patched_after_failure, url, tmp_path, False) == 0
    result = await resume(url, tmp_path)
    assert result.status == "failed"


def _patched_after_failure(url: str, folder: Path, crashes: bool) -> None:

    async def main() -> None:
        (folder / "fail-1").touch()
        if crashes:
            (folder / "hold-5").touch()
        wire = plan(step("f", "fail", 1), step("h", "look", 5, after=[]))
        async with open_runtime(url, folder) as runtime:
            async with runtime.stream(Plan.from_wire(wire)) as stream:
                async for event in stream:
                    failed = isinstance(event, StepFinished) and event.step_id == "f"
                    if failed and crashes:
                        stream.patch(PlanPatch.from_wire({"add": [step("n", "look", 2)]}))
                    if isinstance(event, StepFinished) and event.step_id == "n":
                        die()

    asyncio.run(main())


# ---- hostile outputs, refusals ------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", "\0", 10**5000, "nested"],
    ids=["nan", "inf", "surrogate", "nul", "huge-int", "nested"],
)
async def test_whatever_a_tool_returns_the_run_ends_in_order(
    url: str, tmp_path: Path, value: Any
) -> None:
    if value == "nested":
        value = []
        for _ in range(3_000):
            value = [value]

    @tool(effect="read")
    async def odd() -> Any:
        """Return something odd."""
        return value

    wire: Any = {"steps": [{"id": "a", "tool": "odd"}, {"id": "b", "tool": "odd", "after": ["a"]}]}
    async with open_runtime(url, tmp_path, tools=[odd]) as runtime:
        result = await runtime.run(Plan.from_wire(wire))
        again = await runtime.resume(RUN)
    assert result.status in ("succeeded", "failed")
    assert again.status == result.status
    assert result.error is None or result.error.code != "internal_error"


async def test_a_run_that_is_not_there(url: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        await resume(url, tmp_path)
    assert caught.value.code == "run_not_found"


async def test_a_run_that_goes_on_cannot_be_resumed(url: str, tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    async with open_runtime(url, tmp_path) as runtime:
        async with runtime.stream(Plan.from_wire(plan(step("a", "look", 1)))) as stream:
            async for event in stream:
                if isinstance(event, StepStarted):
                    async with open_runtime(url, tmp_path) as other:
                        with pytest.raises(RunError) as caught:
                            await other.resume(RUN)
                    assert caught.value.code == "run_held"
                    stream.cancel()


async def test_a_crash_while_planning_plans_anew(url: str, tmp_path: Path) -> None:
    assert elsewhere(_die_planning, url, tmp_path) == -9
    wire = plan(step("a", "look", 4), answer="${a}")
    async with open_runtime(url, tmp_path, model=ScriptedModel([wire])) as runtime:
        result = await runtime.resume(RUN)
    assert (result.status, result.answer) == ("succeeded", 4)
    assert statuses(result) == {"a": "succeeded"}


def _die_planning(url: str, folder: Path) -> None:

    async def main() -> None:
        # Its first step starts, and ends the process, while the plan is being written: the rest
        # of it takes the model some seconds.
        wire = plan(step("a", "look", 3), *(step(f"s{i}", "look", i) for i in range(40)))
        model = ScriptedModel([wire], tokens_per_second=100)
        async with open_runtime(url, folder, model=model) as runtime:
            async with runtime.stream("look at four") as stream:
                async for event in stream:
                    if isinstance(event, StepStarted):
                        die()

    asyncio.run(main())


async def test_undo_on_failure_is_not_for_a_run_that_was_taken_over(
    url: str, tmp_path: Path
) -> None:
    """Another process goes on with the run: what it did so far must stay."""
    undone: list[Any] = []

    def undo(result: Any, x: int) -> None:
        undone.append(x)

    @tool(effect="write", undo=undo)
    async def kept(x: int) -> int:
        """Write something that can be taken back."""
        return x

    hold = tmp_path / "hold-5"
    hold.touch()
    held = [each for each in tools(tmp_path) if each.name == "look"]
    wire = plan(step("w", "kept", 1), step("h", "look", 5, after=["w"]), step("n", "look", 6, after=["w"]))  # fmt: skip
    async with open_runtime(url, tmp_path, tools=[kept, *held], undo_on_failure=True) as runtime:
        journal = runtime.journal
        assert journal is not None
        async with runtime.stream(Plan.from_wire(wire)) as stream:
            async for event in stream:
                if isinstance(event, StepStarted) and event.step_id == "h":
                    await take_over(url)
                    stream.patch(PlanPatch.from_wire({"add": [step("m", "look", 7)]}))
            result = stream
    assert undone == []
    assert result.result.error is not None
    assert result.result.error.code == "run_taken_over"


async def take_over(url: str) -> None:
    """As a process does that takes this one for dead."""
    from sqlalchemy import text

    from treadle.core.database import Database

    database = Database(DatabaseUrl.parse(url))
    async with database.writing() as connection:
        await connection.execute(text("update run set fence = fence + 1, holder = null"))
    await database.close()


async def test_a_runtime_without_a_database_resumes_nothing() -> None:
    async with Runtime(model=ScriptedModel([]), builtins=False) as runtime:
        with pytest.raises(ConfigError) as caught:
            await runtime.resume(RUN)
    assert caught.value.code == "no_database"
